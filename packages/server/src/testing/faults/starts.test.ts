/** Sandboxes that cannot be started, once or for good, and drivers that do not answer, in a running server. */
import type { ExecutionId, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { expectWhole, startTestEngine, type TestEngine } from './engine.ts'
import { createPuppets } from './puppets.ts'

const problem = 'bwrap: No such file or directory'
const noBubblewrap = () => new Error(problem)
/** For a sandbox that does not come up, and for a driver that does not answer. */
const startMs = 3_000

// Each ends as soon as it holds; many things wait for one another here, on a machine that has other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 })

const puppets = createPuppets()
let engine: TestEngine
beforeAll(async () => {
  engine = await startTestEngine({
    driver: puppets.driver,
    timers: {
      sandboxStartMs: startMs,
      sandboxInspectMs: 100,
      driverAnswerMs: 500,
      sandboxGraceMs: 100,
      stopMs: 500,
      commandMs: 1_000,
    },
  })
})
afterAll(async () => {
  puppets.end()
  await engine?.[Symbol.asyncDispose]()
})

const completes = async (execution: ExecutionId) =>
  expect(await engine.ended(execution)).toMatchObject({ state: 'completed', attempt: 1 })

test('a driver that fails twice costs the message nothing: it runs at the third try', async () => {
  puppets.fail({ start: (number) => (number <= 2 ? noBubblewrap() : null) })
  const { session, execution } = await engine.begin()
  await completes(execution)
  expect(puppets.starts).toBe(3)
  await expectWhole(engine, session)
})

test('a driver that fails three times ends the message, once and with its reason; the next one has three tries again', async () => {
  puppets.fail({ start: noBubblewrap })
  const { session, execution } = await engine.begin()
  const waiting = await engine.send(session, 'And then this')
  expect(await engine.ended(execution)).toMatchObject({ state: 'failed', reason: 'sandbox_start_failed' })
  expect(await engine.ended(waiting)).toMatchObject({ state: 'failed', reason: 'sandbox_start_failed' })
  expect(puppets.starts).toBe(6)

  const events = await engine.events(session)
  const told = events.filter((event) => event.executionId === execution && event.ends)
  expect(told.map(({ type, data }) => [type, JSON.parse(data)])).toEqual([
    ['error', expect.objectContaining({ reason: 'sandbox_start_failed', error: expect.stringContaining(problem) })],
  ])
  const steps = events.filter(({ type, data }) => type === 'status' && JSON.parse(data).state === 'failed')
  expect(steps.map(({ data }) => JSON.parse(data).step)).toEqual(Array(6).fill('sandbox_create'))

  puppets.fail({ start: (number) => (number <= 2 ? noBubblewrap() : null) })
  await completes(await engine.send(session, 'Now it can be started'))
  await expectWhole(engine, session)
})

test('Stop while nothing can be started settles what waits, and the next message runs', async () => {
  puppets.fail({ start: () => 'dialsNever' })
  const { session, execution } = await engine.begin()
  await vi.waitFor(() => expect(puppets.starts).toBe(1), 20_000)
  await engine.call('interruptSession', { cloudAgentSessionId: session })
  expect(await engine.rowOf(execution)).toMatchObject({ state: 'interrupted' })
  puppets.fail({})
  await completes(await engine.send(session, 'Once more'))
  await expectWhole(engine, session)
})

test('a sandbox whose supervisor never connects is given up after its time, and started again', async () => {
  puppets.fail({ start: (number) => (number === 1 ? 'dialsNever' : null) })
  const { session, execution } = await engine.begin()
  await completes(execution)
  expect(puppets.starts).toBe(2)
  await expectWhole(engine, session)
})

test('a driver that does not answer to a start holds up the message for that time, and no longer', async () => {
  puppets.fail({ start: (number) => (number === 1 ? 'hangs' : null) })
  const { session, execution } = await engine.begin()
  await completes(execution)
  expect(puppets.starts).toBe(2)
  const failed = (await engine.events(session)).find(({ data }) => JSON.parse(data).state === 'failed')
  expect(failed?.data).toContain('did not start the sandbox within 3 s')
  await expectWhole(engine, session)
})

test('a driver that answers neither how a sandbox is nor to its end keeps no session from a new one', async () => {
  puppets.fail({})
  const { session, execution } = await engine.begin()
  await completes(execution)
  const { bootId } = await engine.sandboxOf(session)
  puppets.fail({
    inspect: 'hangs',
    stop: 'hangs',
    react({ method, params }) {
      if (method === 'session.execute' && params.prompt.text === 'Never done') return 'take'
      return method === 'session.interrupt' ? 'silence' : 'obey'
    },
  })
  const stuck = await engine.send(session, 'Never done')
  await vi.waitFor(async () => expect(await engine.rowOf(stuck)).toMatchObject({ state: 'running' }), 20_000)
  await engine.call('interruptSession', { cloudAgentSessionId: session })
  // Nobody says that it has stopped, so its sandbox is ended, of which nobody says anything either.
  await completes(await engine.send(session, 'In a new one'))
  expect((await engine.sandboxOf(session)).bootId).not.toBe(bootId)
  await expectWhole(engine, session)
})

test('what has to be cleaned up before a message costs it none of its attempts', async () => {
  puppets.fail({})
  const { session, execution } = await engine.begin()
  await completes(execution)
  // More often than a message is handed over.
  for (let round = 0; round < 4; round += 1) await leftover(session)
  const [last] = (await engine.executions(session)).slice(-1)
  expect(last).toMatchObject({ state: 'completed', attempt: 1 })
  await expectWhole(engine, session)
})

/** A turn that says nothing of its end: its sandbox goes, and the message behind it runs in the next one. */
async function leftover(session: SessionId): Promise<void> {
  puppets.fail({ react: ({ method }) => (method === 'session.execute' ? 'take' : 'silence') })
  const stuck = await engine.send(session, 'Never done')
  await vi.waitFor(() => expect(puppets.count('session.execute')).toBe(1), 20_000)
  await engine.call('interruptSession', { cloudAgentSessionId: session })
  const next = await engine.send(session, 'After it was cleaned up')
  expect(await engine.rowOf(stuck)).toMatchObject({ state: 'interrupted', stoppedAt: null })
  puppets.fail({ react: ({ method }) => (method === 'session.interrupt' ? 'take' : 'obey') })
  await completes(next)
  expect(await engine.rowOf(stuck)).toMatchObject({ stoppedAt: expect.any(Date) })
}
