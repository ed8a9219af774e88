import { type EventsFrame, limits, linkClose, upSchemas } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { execution, session as sessionTable, workspace } from '../database/schema.ts'
import { delta } from '../testing/log.ts'
import { output, testLinks } from '../testing/supervisor.ts'

describe('what a broken or hostile supervisor says', async () => {
  const world = await testLinks()
  afterAll(() => world[Symbol.asyncDispose]())

  async function greeted() {
    const own = await world.addSandbox()
    const peer = await world.connect(own.token)
    peer.hello({ bootId: own.bootId })
    await peer.welcomed()
    return { ...own, peer }
  }
  const outcome = (executionId: string, attempt = 1, result = 'completed') => ({
    type: 'outcome',
    data: { executionId, attempt, result, begun: true },
  })

  test('counts only from the newest of two that live', async () => {
    const { peer, session, token, bootId } = await greeted()
    const id = await world.addRunning(session)
    const newer = await world.connect(token)
    newer.hello({ bootId, incarnation: 2 })
    await newer.welcomed()
    peer.events(session, 1, [outcome(id)])
    await peer.closed(linkClose.fenced)
    newer.events(session, 1, [output('mine')], 3)
    await newer.acked(session, 1, 3)
    expect(await world.executionOf(id)).toMatchObject({ state: 'running' })
    expect((await world.stored(session)).map(({ data }) => data)).toEqual([JSON.stringify(output('mine').data)])
  })

  test('ends an execution once, by its current attempt; what comes later is stored and changes nothing', async () => {
    const { peer, session } = await greeted()
    const id = await world.addRunning(session, 2)
    peer.events(session, 1, [{ type: 'stopped', data: { executionId: id, attempt: 2 } }, outcome(id, 1)])
    await peer.acked(session, 2)
    expect(await world.executionOf(id)).toMatchObject({ state: 'running', stoppedAt: null })
    peer.events(session, 3, [outcome(id, 2), outcome(id, 2, 'failed'), { ...output('late'), executionId: id }])
    peer.events(session, 6, [{ type: 'finalized', data: { executionId: id } }])
    await peer.acked(session, 6)
    expect(await world.executionOf(id)).toMatchObject({ state: 'completed', finalization: 'none' })
    expect((await world.stored(session)).map(({ type }) => type)).toEqual(['complete', 'output'])
  })

  test('about a preparation counts for the current attempt alone', async () => {
    const { peer, session } = await greeted()
    await world.database.orm
      .update(workspace)
      .set({ state: 'preparing', attempt: 3 })
      .where(eq(workspace.sessionId, session))
    const data = { ok: true, attempt: 2, branch: 'b', baseCommit: 'c', reused: false }
    peer.events(session, 1, [{ type: 'prepared', data }])
    await peer.acked(session, 1)
    const [row] = await world.database.orm.select().from(workspace).where(eq(workspace.sessionId, session))
    expect(row).toMatchObject({ state: 'preparing', attempt: 3 })
  })

  test('never ends an execution in the words of the server', async () => {
    const { peer, session } = await greeted()
    const executionId = await world.addRunning(session)
    const types = ['queued', 'complete', 'interrupted', 'error']
    const data = { executionId, reason: 'interrupted', error: 'over', taskId: executionId }
    peer.events(
      session,
      1,
      types.map((type) => ({ type, executionId, data })),
    )
    await peer.acked(session, 4)
    expect(await world.executionOf(executionId)).toMatchObject({ state: 'running' })
    const stored = await world.stored(session)
    expect(stored.map(({ data }) => JSON.parse(data).details)).toEqual(types.map((rejectedType) => ({ rejectedType })))
  })

  test('about the session of another sandbox is acked and goes nowhere', async () => {
    const { peer, session } = await greeted()
    const other = await greeted()
    const id = await world.addRunning(other.session)
    peer.events(other.session, 1, [outcome(id)])
    peer.events(session, 1, [outcome(id), { ...delta('x'), executionId: id }])
    await peer.acked(other.session, 1)
    await peer.acked(session, 2)
    expect(await world.executionOf(id)).toMatchObject({ state: 'running' })
    expect(await world.stored(other.session)).toEqual([])
  })

  test('does not open the compaction of the execution of another session again', async () => {
    const { peer, session } = await greeted()
    const other = await greeted()
    const id = await world.addRunning(other.session)
    const compactedAt = new Date()
    await world.database.orm.update(execution).set({ compactedAt }).where(eq(execution.id, id))
    peer.events(session, 1, [{ ...delta('x'), executionId: id }])
    await peer.acked(session, 1)
    expect(await world.executionOf(id)).toMatchObject({ compactedAt, stoppedAt: null })
  })

  test('may be repeated, but leaves no hole that was not dropped', async () => {
    const { peer, session } = await greeted()
    peer.events(session, 1, [output('1')])
    peer.events(session, 1, [output('1'), output('2')])
    peer.events(session, 6, [{ type: 'events_dropped', data: { count: 3 } }])
    await peer.acked(session, 6)
    peer.events(session, 8, [output('8')])
    await peer.closed(linkClose.protocolError)
    expect((await world.stored(session)).map(({ n }) => n)).toEqual([1, 2, 6])
  })

  test('goes on in a new epoch when its spool is lost, and in a new history when ours is', async () => {
    const { peer, session, token, bootId } = await greeted()
    peer.events(session, 1, [output('old')])
    await peer.acked(session, 1)
    const historyOf = async () =>
      (await world.database.orm.select().from(sessionTable).where(eq(sessionTable.id, session)))[0]?.logId
    const history = await historyOf()
    const second = await world.connect(token)
    second.hello({ bootId, incarnation: 2 })
    expect(await second.welcomed()).toMatchObject({ sessions: [{ epoch: 3, ackedN: 0 }] })
    second.events(session, 1, [output('new')], 3)
    second.events(session, 2, [output('old again')], 2)
    await second.acked(session, 2, 2)
    expect((await world.stored(session)).map(({ epoch, n }) => [epoch, n])).toEqual([
      [2, 1],
      [3, 1],
    ])
    expect(await historyOf()).toBe(history)

    const third = await world.connect(token)
    const spools = [{ epoch: 3, firstUnackedN: 9, lastN: 9 }]
    third.hello({
      bootId,
      incarnation: 3,
      sessions: [{ id: session, spools, workspace: { attempt: 0, state: 'absent' } }],
    })
    expect(await third.welcomed()).toMatchObject({ sessions: [{ epoch: 4, ackedN: 0 }] })
    expect(await historyOf()).not.toBe(history)
  })

  test('spoils nothing but itself, whatever its data', async () => {
    const { peer, session } = await greeted()
    const other = await greeted()
    const odd = fc.oneof(
      fc.jsonValue(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\u0000', '\ud800', '\ud83d'.repeat(50), 'x'.repeat(100_000), 2 ** 53, null),
      fc.integer({ min: 1, max: 50_000 }).map((deep): unknown => JSON.parse('['.repeat(deep) + ']'.repeat(deep))),
    )
    const keys = ['type', 'properties', 'message', 'step', 'content', 'source', 'error', 'kind', 'success', 'count']
    const key = fc.constantFrom(...keys, 'ok', 'attempt', 'executionId', 'result', 'begun')
    const type = fc.oneof(
      fc.constantFrom(...Object.keys(upSchemas)),
      fc.string({ unit: 'binary' }),
      fc.constant('\ud800'),
    )
    let n = 0
    const say = async (event: EventsFrame['events'][number]) => {
      const text = frameText(session, n + 1, event)
      if (!text) return
      n += 1
      peer.socket.send(text)
      peer.events(session, ++n, [output(`after ${n - 1}`)])
      await peer.acked(session, n)
    }
    await fc.assert(
      fc.asyncProperty(type, fc.oneof(odd, fc.dictionary(key, odd)), (type, data) => say({ type, data })),
      { numRuns: 150 },
    )
    for (const type of Object.keys(upSchemas)) await say({ type, data: null })
    await say(output('x'.repeat(limits.eventBytes + 1)))
    const stored = await world.stored(session)
    expect(stored.filter(({ type, data }) => type === 'output' && data.includes('after '))).toHaveLength(n / 2)
    expect(stored.at(-2)).toMatchObject({ type: 'error', n: n - 1 })
    expect(peer.isOpen()).toBe(true)
    other.peer.events(other.session, 1, [output('undisturbed')])
    await other.peer.acked(other.session, 1)
  }, 20_000)
})

/** Null when this side cannot write it: nested deeper than its own stack. */
function frameText(session: string, from: number, event: EventsFrame['events'][number]): string | null {
  try {
    return JSON.stringify({ jsonrpc: '2.0', method: 'events', params: { session, epoch: 2, from, events: [event] } })
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}
