/**
 * The server's clock is set back, and crosses the moment at which the clock in OpenCode's ids begins again from zero
 * (2026-08-14T11:19:55Z), so that later ids sort before earlier ones. Order is `seq`; nothing else moves.
 */
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { expectWhole, startTestEngine, type TestEngine } from './engine.ts'
import { createPuppets } from './puppets.ts'

// Each ends as soon as it holds; many things wait for one another here, on a machine that has other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 })

const puppets = createPuppets()
let engine: TestEngine
beforeAll(async () => {
  engine = await startTestEngine({ driver: puppets.driver })
})
afterAll(async () => {
  puppets.end()
  await engine?.[Symbol.asyncDispose]()
})
afterEach(() => vi.useRealTimers())

/** `Date` alone: no timer and no other clock. */
function setClock(time: string): void {
  vi.useFakeTimers({ toFake: ['Date'] })
  vi.setSystemTime(new Date(time))
}

test('messages stand in the order in which they were sent, whatever their ids and times say', async () => {
  const times = [
    '2026-08-14T11:19:50Z',
    '2026-08-14T11:20:00Z',
    '2026-08-14T11:19:40Z',
    '2020-01-01T00:00:00Z',
    '2031-01-01T00:00:00Z',
    '2026-08-14T11:19:54Z',
  ]
  setClock(times[0] ?? '')
  const { session, execution } = await engine.begin('message 0')
  await engine.ended(execution)
  for (const [i, time] of times.entries()) {
    if (i === 0) continue
    setClock(time)
    expect(await engine.ended(await engine.send(session, `message ${i}`))).toMatchObject({ state: 'completed' })
  }
  vi.useRealTimers()

  const rows = await engine.executions(session)
  const ids = rows.map(({ messageId }) => messageId)
  expect(ids, 'the ids are out of order, so this test can fail').not.toEqual([...ids].sort())
  expect(rows.map(({ id }) => id)).not.toEqual(rows.map(({ id }) => id).sort())
  const said = (await engine.exported(session)).messages.map(({ parts }) => parts.map(({ text }) => text).join())
  expect(said).toEqual(times.flatMap((_, i) => [`message ${i}`, `Done: message ${i}`]))
  await expectWhole(engine, session)
})

test('a clock that is set back in the middle of a turn ends nothing and holds up nothing', async () => {
  puppets.fail({ react: ({ method }) => (method === 'session.execute' ? 'take' : 'obey') })
  const { session, execution } = await engine.begin('held')
  const waiting = await engine.send(session, 'behind it')
  const { params, puppet } = await vi.waitFor(() => {
    for (const { method, params, puppet } of puppets.received)
      if (method === 'session.execute') return { params, puppet }
    throw new Error('not delivered')
  }, 20_000)
  puppets.fail({})
  puppet.begin(params)
  setClock('2026-08-01T00:00:00Z')
  await engine.call('sendMessage', { cloudAgentSessionId: session, prompt: 'sent in the past' })
  setClock('2030-08-01T00:00:00Z')
  puppet.complete(params)
  expect(await engine.ended(execution)).toMatchObject({ state: 'completed', attempt: 1 })
  expect(await engine.ended(waiting)).toMatchObject({ state: 'completed', attempt: 1 })
  for (const { id } of await engine.executions(session))
    expect(await engine.ended(id)).toMatchObject({ state: 'completed' })
  await expectWhole(engine, session)
})
