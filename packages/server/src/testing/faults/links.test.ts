/** Supervisors that come twice, all at once, late, frozen, or not at all, at a running server. */
import { linkClose, type SessionId } from '@corral/protocol'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { expectWhole, startTestEngine, type TestEngine } from './engine.ts'
import { createPuppets } from './puppets.ts'

const silenceMs = 2_000
const lostMs = 4_000
const soonMs = 20_000
const crowd = 10

// Each ends as soon as it holds; many things wait for one another here, on a machine that has other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 })

const puppets = createPuppets()
let engine: TestEngine
beforeAll(async () => {
  engine = await startTestEngine({
    driver: puppets.driver,
    timers: { linkSilenceMs: silenceMs, sandboxLostMs: lostMs, commandMs: 500, agentTurnMs: 20, sandboxInspectMs: 100 },
  })
})
afterAll(async () => {
  puppets.end()
  await engine?.[Symbol.asyncDispose]()
})
beforeEach(() => puppets.fail({}))

/** A turn that has begun, and whose end the test says. */
async function heldTurn(prompt = 'Hold it') {
  puppets.fail({ react: ({ method }) => (method === 'session.execute' ? 'take' : 'obey') })
  const { session, execution } = await engine.begin(prompt)
  const { params, puppet } = await vi.waitFor(
    () =>
      puppets.received.find((it) => it.method === 'session.execute' && it.params.executionId === execution) ??
      expect.fail('not delivered'),
    soonMs,
  )
  if (!('executionId' in params && 'prompt' in params)) throw new Error('not an execute')
  puppet.begin(params)
  await vi.waitFor(async () => expect((await engine.rowOf(execution)).startedAt).not.toBeNull(), soonMs)
  return { session, execution, puppet, params }
}

async function nextCompletes(session: SessionId): Promise<void> {
  puppets.fail({})
  const next = await engine.send(session, 'The next one')
  expect(await engine.ended(next)).toMatchObject({ state: 'completed', attempt: 1 })
  await expectWhole(engine, session)
}

test('of two supervisors at once only the newer is heard, as often as the older comes', async () => {
  const { session, execution, puppet, params } = await heldTurn()
  const twin = puppet.twin()
  await vi.waitFor(() => expect(twin.epochOf(session)).toBeGreaterThan(0), soonMs)
  await vi.waitFor(() => expect(puppet.closedWith()).toBe(linkClose.fenced), soonMs)
  puppet.complete(params, 'Said by the one that is fenced off')
  puppet.comeBack()
  await vi.waitFor(() => expect(puppet.closedWith()).toBe(linkClose.fenced), soonMs)
  expect(await engine.rowOf(execution)).toMatchObject({ state: 'running' })

  twin.complete(params, 'Said by the newer')
  expect(await engine.ended(execution)).toMatchObject({ state: 'completed' })
  const stored = (await engine.events(session)).map(({ data }) => data).join()
  expect(stored).toContain('Said by the newer')
  expect(stored).not.toContain('fenced off')
  await nextCompletes(session)
  twin.end()
})

test('the outcome of an earlier attempt, said late, ends nothing', async () => {
  puppets.fail({ react: ({ method }) => (method === 'session.execute' ? 'take' : 'obey') })
  const { session, execution } = await engine.begin()
  const first = await delivered(1)
  const data = {
    executionId: execution,
    attempt: 1,
    result: 'failed',
    reason: 'agent_restarted',
    begun: false,
  } as const
  first.puppet.say(session, { type: 'outcome', executionId: execution, data: { ...data, agentRuns: false } })
  const second = await delivered(2)
  first.puppet.complete(first.params)
  await vi.waitFor(() => expect(first.puppet.unacked()).toBe(0), soonMs)
  expect(await engine.rowOf(execution)).toMatchObject({ state: 'running', attempt: 2 })

  second.puppet.complete(second.params)
  expect(await engine.ended(execution)).toMatchObject({ state: 'completed', attempt: 2 })
  await nextCompletes(session)

  function delivered(attempt: number) {
    return vi.waitFor(() => {
      for (const { method, params, puppet } of puppets.received)
        if (method === 'session.execute' && params.executionId === execution && params.attempt === attempt)
          return { params, puppet }
      throw new Error(`attempt ${attempt} was not delivered`)
    }, soonMs)
  }
})

test('ten that all come back at once, three times, lose nothing', async () => {
  const turns: Awaited<ReturnType<TestEngine['begin']>>[] = []
  puppets.fail({ react: ({ method }) => (method === 'session.execute' ? 'take' : 'obey') })
  for (let i = 0; i < crowd; i += 1) turns.push(await engine.begin(`Turn ${i}`))
  const held = await vi.waitFor(
    () => {
      const found = puppets.received.flatMap(({ method, params, puppet }) => {
        if (method !== 'session.execute') return []
        return turns.some(({ execution }) => execution === params.executionId) ? [{ params, puppet }] : []
      })
      // An agent starts after the one before has.
      for (const { params, puppet } of found.splice(0)) {
        if (begun.has(params.executionId)) continue
        begun.set(params.executionId, { params, puppet })
        puppet.begin(params)
      }
      expect(begun.size).toBe(crowd)
      return [...begun.values()]
    },
    { timeout: 30_000, interval: 20 },
  )
  for (let round = 0; round < 3; round += 1) {
    for (const { params, puppet } of held) {
      const said = { content: `round ${round}`, source: 'stdout' } as const
      puppet.say(params.session, { type: 'output', executionId: params.executionId, data: said })
      puppet.cut()
    }
    await vi.waitFor(() => expect(held.filter(({ puppet }) => puppet.isLinked())).toHaveLength(crowd), soonMs)
  }
  for (const { params, puppet } of held) puppet.complete(params)
  for (const { session, execution } of turns) {
    expect(await engine.ended(execution)).toMatchObject({ state: 'completed', attempt: 1 })
    await expectWhole(engine, session)
    const outputs = (await engine.events(session)).filter(({ type }) => type === 'output')
    expect(outputs.map(({ data }) => JSON.parse(data).content)).toEqual(['round 0', 'round 1', 'round 2'])
  }
})
const begun = new Map<string, Pick<Awaited<ReturnType<typeof heldTurn>>, 'params' | 'puppet'>>()

test('a link that is away for less than its time costs nothing', async () => {
  const { session, execution, puppet, params } = await heldTurn()
  puppet.leave()
  await vi.waitFor(async () => expect((await engine.sandboxOf(session)).state).toBe('unreachable'), soonMs)
  puppet.complete(params)
  puppet.comeBack()
  expect(await engine.ended(execution)).toMatchObject({ state: 'completed', attempt: 1 })
  expect(await engine.sandboxOf(session)).toMatchObject({ state: 'ready' })
  await nextCompletes(session)
})

test.each(['away', 'frozen'])(
  'a supervisor that is %s for longer is lost; the next message has a new sandbox',
  async (how) => {
    const { session, execution, puppet, params } = await heldTurn()
    const { bootId } = await engine.sandboxOf(session)
    const begunAt = performance.now()
    if (how === 'away') puppet.leave()
    else puppet.freeze()
    expect(await engine.ended(execution)).toMatchObject({ state: 'failed', reason: 'sandbox_lost' })
    expect(performance.now() - begunAt).toBeGreaterThan(lostMs)
    await nextCompletes(session)
    expect((await engine.sandboxOf(session)).bootId).not.toBe(bootId)
    puppet.complete(params)
    puppet.comeBack()
    await nextCompletes(session)
  },
)

test('a server that is away for longer than that finds everything as it was told meanwhile', async () => {
  const { session, execution, puppet, params } = await heldTurn()
  await engine.stop()
  puppet.complete(params)
  await new Promise((resolve) => setTimeout(resolve, silenceMs + lostMs))
  await engine.start()
  expect(await engine.ended(execution)).toMatchObject({ state: 'completed', attempt: 1 })
  await nextCompletes(session)
})
