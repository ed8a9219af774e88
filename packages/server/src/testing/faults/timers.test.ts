/** The long timers, shortened: what they end, what they leave alone, and that a restart of the server changes none. */
import { type ExecuteParams, newMessageId, newPartId, type UpEvent } from '@corral/protocol'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { expectWhole, startTestEngine, type TestEngine } from './engine.ts'
import type { Puppet } from './puppet.ts'
import { createPuppets } from './puppets.ts'

// Long enough for a machine with other work to stay clear of those that are not to fire.
const noProgressMs = 3_000
const executionMs = 12_000
const agentIdleMs = 3_000
const sandboxIdleMs = 6_000
const soonMs = 20_000

// Each ends as soon as it holds; many things wait for one another here, on a machine that has other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 })

const puppets = createPuppets()
let engine: TestEngine
beforeAll(async () => {
  engine = await startTestEngine({
    driver: puppets.driver,
    timers: { noProgressMs, executionMs, agentIdleMs, sandboxIdleMs, sandboxGraceMs: 50, agentTurnMs: 20 },
  })
})
afterAll(async () => {
  puppets.end()
  await engine?.[Symbol.asyncDispose]()
})
beforeEach(() => puppets.fail({}))

async function heldTurn() {
  puppets.fail({ react: ({ method }) => (method === 'session.execute' ? 'take' : 'obey') })
  const { session, execution } = await engine.begin()
  const { params, puppet } = await vi.waitFor(() => {
    for (const { method, params, puppet } of puppets.received)
      if (method === 'session.execute' && params.executionId === execution) return { params, puppet }
    throw new Error('not delivered')
  }, soonMs)
  puppet.begin(params)
  await vi.waitFor(async () => expect((await engine.rowOf(execution)).startedAt).not.toBeNull(), soonMs)
  const { deliveredAt } = await engine.rowOf(execution)
  return { session, execution, puppet, params, deliveredAt: deliveredAt?.getTime() ?? 0 }
}

/** A message of the agent with one part, which grows or runs. */
function message({ session, executionId, agentSessionId: sessionID }: ExecuteParams, puppet: Puppet) {
  const messageID = newMessageId()
  const info = { id: messageID, sessionID, role: 'assistant' as const, time: { created: 1 } }
  const ids = { id: newPartId(), sessionID, messageID }
  const kilocode = (type: string, properties: Record<string, unknown>): UpEvent => ({
    type: 'kilocode',
    executionId,
    data: { type, properties },
  })
  puppet.say(session, kilocode('message.updated', { info }))
  return {
    runTool: () =>
      puppet.say(
        session,
        kilocode('message.part.updated', {
          part: { ...ids, type: 'tool', tool: 'bash', state: { status: 'running' } },
        }),
      ),
    text: () => puppet.say(session, kilocode('message.part.updated', { part: { ...ids, type: 'text', text: '' } })),
    grow: () =>
      puppet.say(
        session,
        kilocode('message.part.delta', { sessionID, messageID, partID: ids.id, field: 'text', delta: 'more ' }),
      ),
  }
}

test('a turn that streams outlives the limit of silence; the same turn, silent, fails', async () => {
  const { session, execution, puppet, params, deliveredAt } = await heldTurn()
  const { text, grow } = message(params, puppet)
  text()
  const streaming = setInterval(grow, 100)
  await vi.waitFor(() => expect(Date.now() - deliveredAt).toBeGreaterThan(1.5 * noProgressMs), soonMs)
  clearInterval(streaming)
  expect(await engine.rowOf(execution)).toMatchObject({ state: 'running' })
  expect(await engine.ended(execution)).toMatchObject({ state: 'failed', reason: 'no_progress' })
  await expectWhole(engine, session)
})

test('a tool that never ends is not silence, and ends with the limit of the turn, also over a restart', async () => {
  const { session, execution, puppet, params, deliveredAt } = await heldTurn()
  message(params, puppet).runTool()
  await vi.waitFor(() => expect(puppet.unacked()).toBe(0), soonMs)
  await engine.stop()
  await engine.start()
  const ended = await engine.ended(execution, executionMs + soonMs)
  expect(ended).toMatchObject({ state: 'failed', reason: 'execution_limit' })
  expect(ended.endedAt?.getTime()).toBeGreaterThanOrEqual(deliveredAt + executionMs)
  await expectWhole(engine, session)
})

test('what an idle session has is ended in its time, also when the server was away then, whatever comes late', async () => {
  const { session, execution } = await engine.begin()
  await engine.ended(execution)
  await engine.stop()
  await new Promise((resolve) => setTimeout(resolve, agentIdleMs))
  await engine.start()
  await vi.waitFor(() => expect(puppets.count('session.stopAgent')).toBeGreaterThan(0), soonMs)

  // A straggler is stored, and is no work.
  const puppet = puppets.of(session) ?? expect.fail('no sandbox')
  const late = { executionId: execution, attempt: 1 }
  const stragglers = setInterval(
    () =>
      puppet.say(
        session,
        { type: 'output', executionId: execution, data: { content: 'late', source: 'stdout' } },
        { type: 'started', executionId: execution, data: late },
        { type: 'outcome', executionId: execution, data: { ...late, result: 'failed', begun: true, agentRuns: true } },
      ),
    50,
  )
  await vi
    .waitFor(async () => expect((await engine.sandboxOf(session)).state).toBe('stopped'), soonMs)
    .finally(() => clearInterval(stragglers))
  expect(await engine.rowOf(execution)).toMatchObject({ state: 'completed' })
  const next = await engine.send(session, 'The next one')
  expect(await engine.ended(next)).toMatchObject({ state: 'completed' })
  await expectWhole(engine, session)
})

test('a message that waits behind a preparation survives the restart, and comes in its turn', async () => {
  puppets.fail({ react: ({ method }) => (method === 'session.prepare' ? 'take' : 'obey') })
  const { session, execution } = await engine.begin()
  const second = await engine.send(session, 'Second')
  await vi.waitFor(() => expect(puppets.count('session.prepare')).toBe(1), soonMs)
  await engine.stop()
  puppets.fail({})
  await engine.start()
  expect(await engine.ended(execution)).toMatchObject({ state: 'completed', attempt: 1 })
  expect(await engine.ended(second)).toMatchObject({ state: 'completed', attempt: 1 })
  await expectWhole(engine, session)
})
