/**
 * Every command to a supervisor is lost in every way: not answered, answered to nobody, cut off before and after its
 * effect, and by a supervisor that dies of it. The message is answered once all the same, and so is the next one.
 */
import type { DownMethod } from '@corral/protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { expectWhole, startTestEngine, type TestEngine } from './engine.ts'
import type { Reaction } from './puppet.ts'
import { createPuppets } from './puppets.ts'

// Each ends as soon as it holds; many things wait for one another here, on a machine that has other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 })

const puppets = createPuppets()
let engine: TestEngine
beforeAll(async () => {
  engine = await startTestEngine({ driver: puppets.driver, timers: { commandMs: 300, agentTurnMs: 20 } })
})
afterAll(async () => {
  puppets.end()
  await engine?.[Symbol.asyncDispose]()
})

const ways: Reaction[] = ['silence', 'mumble', 'cut', 'cutAfter', 'die']

/** The first time in this session, and not again. */
function once(method: DownMethod, reaction: Reaction): void {
  let due = true
  puppets.fail({
    react(command) {
      if (command.method !== method || !due) return 'obey'
      due = false
      return reaction
    },
  })
}

describe.each<DownMethod>(['session.prepare', 'session.execute', 'session.finalize'])('%s', (method) => {
  test.each(ways)('%s: the turn completes, once', async (way) => {
    once(method, way)
    const { session, execution } = await engine.begin('Say hello', { autoCommit: true })
    expect(await engine.ended(execution)).toMatchObject({ state: 'completed' })
    const next = await engine.send(session, 'And again')
    expect(await engine.ended(next)).toMatchObject({ state: 'completed', attempt: 1 })
    await vi.waitFor(async () => expect(await engine.rowOf(next)).toMatchObject({ finalization: 'done' }), 20_000)
    expect(await engine.rowOf(execution)).toMatchObject({ finalization: 'done' })
    await expectWhole(engine, session)
  })
})

test.each(ways)('session.interrupt, %s: what was stopped ends, and the next message runs', async (way) => {
  let due = true
  puppets.fail({
    react({ method }) {
      if (method === 'session.execute' && due) return 'take'
      if (method !== 'session.interrupt' || !due) return 'obey'
      due = false
      return way
    },
  })
  const { session, execution } = await engine.begin()
  await vi.waitFor(() => expect(puppets.count('session.execute')).toBe(1), 20_000)
  await engine.call('interruptSession', { cloudAgentSessionId: session })
  const next = await engine.send(session, 'And again')
  expect(await engine.ended(next)).toMatchObject({ state: 'completed', attempt: 1 })
  expect(await engine.rowOf(execution)).toMatchObject({ state: 'interrupted', stoppedAt: expect.any(Date) })
  await expectWhole(engine, session)
})

test('a supervisor that dies after the agent has begun: that turn fails, and is not run again', async () => {
  puppets.fail({ react: ({ method }) => (method === 'session.execute' ? 'take' : 'obey') })
  const { session, execution } = await engine.begin()
  const puppet = await vi.waitFor(() => puppets.of(session) ?? expect.fail('no sandbox'), 20_000)
  const { params } = await vi.waitFor(
    () => puppets.received.find((command) => command.method === 'session.execute') ?? expect.fail('not delivered'),
    5_000,
  )
  puppet.begin(params)
  await vi.waitFor(async () => expect((await engine.rowOf(execution)).startedAt).not.toBeNull(), 20_000)
  puppets.fail({ react: ({ method, params }) => refusesUnknown(method, params.session) })
  puppet.restart()
  expect(await engine.ended(execution)).toMatchObject({ state: 'failed', reason: 'agent_restarted' })

  puppets.fail({})
  expect(await engine.ended(await engine.send(session, 'And again'))).toMatchObject({ state: 'completed', attempt: 1 })
  await expectWhole(engine, session)
})

/** As a supervisor does that has lost what it knew. */
function refusesUnknown(method: DownMethod, session: string): Reaction {
  const preparedSince = puppets.received.some((it) => it.method === 'session.prepare' && it.params.session === session)
  return method === 'session.execute' && !preparedSince ? { refuse: 'notPrepared' } : 'obey'
}

test.each(['busy', 'notPrepared', 'unknownSession'] as const)(
  'refused once with %s, it is handed over again',
  async (refuse) => {
    once('session.execute', { refuse })
    const { session, execution } = await engine.begin()
    expect(await engine.ended(execution)).toMatchObject({ state: 'completed' })
    expect(await engine.ended(await engine.send(session, 'And again'))).toMatchObject({
      state: 'completed',
      attempt: 1,
    })
    await expectWhole(engine, session)
  },
)

test('refused for good, the message fails with a reason, and the next one is tried', async () => {
  puppets.fail({ react: ({ method }) => (method === 'session.execute' ? { refuse: 'notPrepared' } : 'obey') })
  const { session, execution } = await engine.begin()
  expect(await engine.ended(execution)).toMatchObject({ state: 'failed', reason: 'workspace_setup_failed', attempt: 3 })
  puppets.fail({})
  expect(await engine.ended(await engine.send(session, 'And again'))).toMatchObject({ state: 'completed', attempt: 1 })
  await expectWhole(engine, session)
})
