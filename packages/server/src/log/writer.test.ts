import {
  type EventsFrame,
  type ExecutionId,
  limits,
  newExecutionId,
  newSessionId,
  type SessionId,
} from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { event, sessionHead, session as sessionTable } from '../database/schema.ts'
import type { Database, Tx } from '../database/transaction.ts'
import { addSession, bareSink, delta, openLog } from '../testing/log.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import type { Log } from './log.ts'
import type { LogSink, StoredEvent } from './types.ts'
import { createWriter, HoleError } from './writer.ts'

let testing: TestDatabase
let database: Database
let log: Log
beforeAll(async () => {
  testing = await testDatabase()
  ;({ log, database } = await openLog(testing.pool))
})
afterAll(async () => {
  await log.close()
  await testing[Symbol.asyncDispose]()
})

const output = (content: string, executionId?: ExecutionId) => ({
  type: 'output',
  executionId,
  data: { content, source: 'stdout' },
})
const outputs = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => output(`line ${from + i}`))
const dropped = (count: number) => ({ type: 'events_dropped', data: { count } })
const frame = (session: SessionId, from: number, events: EventsFrame['events'], epoch = 1): EventsFrame => ({
  session,
  epoch,
  from,
  events,
})

const rowsOf = (session: SessionId) =>
  database.orm.select().from(event).where(eq(event.sessionId, session)).orderBy(event.seq)
const headOf = async (session: SessionId) => {
  const [head] = await database.orm.select().from(sessionHead).where(eq(sessionHead.sessionId, session))
  if (!head) throw new Error(`${session} has no head`)
  return head
}
const contents = async (session: SessionId) =>
  (await rowsOf(session)).map((row) => JSON.parse(row.data).content ?? row.type)

/** A log of its own on the same database, with a sink that a test needs. */
const logWith = async (sink: Partial<LogSink>) => (await openLog(testing.pool, { sink })).log

/** Holds the head of a session until it is told to let go. */
async function holdHead(session: SessionId, last: (tx: Tx) => Promise<unknown> = async () => undefined) {
  const held = Promise.withResolvers<void>()
  const letGo = Promise.withResolvers<void>()
  const ended = database.transaction(async (tx) => {
    await tx.orm.select().from(sessionHead).where(eq(sessionHead.sessionId, session)).for('update')
    held.resolve()
    await letGo.promise
    await last(tx)
  })
  await held.promise
  return async () => {
    letGo.resolve()
    await ended
  }
}

describe('what a supervisor sends', () => {
  test('gets the next numbers of its session, and is acked with its own', async () => {
    const session = await addSession(database)
    await expect(log.offer(frame(session, 1, outputs(1, 3)))).resolves.toEqual({ epoch: 1, n: 3 })
    await expect(log.offer(frame(session, 4, outputs(4, 5)))).resolves.toEqual({ epoch: 1, n: 5 })
    expect((await rowsOf(session)).map(({ seq, epoch, n }) => [seq, epoch, n])).toEqual([
      [1, 1, 1],
      [2, 1, 2],
      [3, 1, 3],
      [4, 1, 4],
      [5, 1, 5],
    ])
    expect(await headOf(session)).toMatchObject({ lastSeq: 5, lastN: 5, lastProgressAt: null })
  })

  test('is in one commit with whatever arrived while the last one was in flight', async () => {
    const batches: StoredEvent[][] = []
    const own = await logWith({ apply: async (_tx, events) => void batches.push(events) })
    const [one, two] = [await addSession(database), await addSession(database)]
    const first = own.offer(frame(one, 1, outputs(1, 1)))
    await expect.poll(() => batches.length).toBe(1)
    await Promise.all([
      first,
      own.offer(frame(one, 2, outputs(2, 3))),
      own.offer(frame(two, 1, outputs(1, 2))),
      own.offer(frame(one, 4, outputs(4, 4))),
    ])
    const seqs = (batch: StoredEvent[] = [], of: SessionId) =>
      batch.filter(({ sessionId }) => sessionId === of).map(({ seq }) => seq)
    expect(batches).toHaveLength(2)
    expect(seqs(batches[0], one)).toEqual([1])
    expect(seqs(batches[1], one)).toEqual([2, 3, 4])
    expect(seqs(batches[1], two)).toEqual([1, 2])
  })

  test('is spread over commits of at most 500 events, by turns', async () => {
    const batches: StoredEvent[][] = []
    const own = await logWith({ apply: async (_tx, events) => void batches.push(events) })
    const [flooding, quiet] = [await addSession(database), await addSession(database)]
    await Promise.all([
      own.offer(frame(flooding, 1, outputs(1, 700))),
      own.offer(frame(flooding, 701, outputs(701, 1200))),
      own.offer(frame(quiet, 1, outputs(1, 2))),
    ])
    expect(batches.map((batch) => batch.length)).toEqual([500, 500, 202])
    expect(batches[1]?.filter((stored) => stored.sessionId === quiet)).toHaveLength(2)
    expect(await contents(flooding)).toEqual(outputs(1, 1200).map(({ data }) => data.content))
  })

  test('is spread over commits of at most 4 MiB, and one larger event has one of its own', async () => {
    const batches: StoredEvent[][] = []
    const own = await logWith({ apply: async (_tx, events) => void batches.push(events) })
    const session = await addSession(database)
    const sizes = [1, 2, 7, 1, 1].map((size) => output('x'.repeat(size * 1024 * 1024)))
    await own.offer(frame(session, 1, sizes))
    expect(batches.map((batch) => batch.length)).toEqual([2, 1, 2])
    expect((await headOf(session)).lastSeq).toBe(5)
  })

  test('is time of progress when the agent writes, thinks or uses a tool', async () => {
    const session = await addSession(database)
    await log.offer(frame(session, 1, [delta('hello')]))
    const [row] = await rowsOf(session)
    expect((await headOf(session)).lastProgressAt).toEqual(row?.at)
  })

  test('about the life of an execution becomes what the sessions make of it, in its place', async () => {
    const key = 'started:1'
    const own = await logWith({
      admit: async (_tx, _session, events) =>
        events.flatMap(({ type }) => (type === 'started' ? [{ type, data: '{"made":"here"}', key }] : [])),
    })
    const session = await addSession(database)
    const data = { executionId: newExecutionId(), attempt: 1 }
    const lifecycle = ['accepted', 'started', 'started'].map((type) => ({ type, data }))
    const events = [output('before'), ...lifecycle, output('after')]
    await expect(own.offer(frame(session, 1, events))).resolves.toEqual({ epoch: 1, n: 5 })
    expect((await rowsOf(session)).map(({ seq, n, data }) => [seq, n, data])).toEqual([
      [1, 1, '{"content":"before","source":"stdout"}'],
      // Its key is there only once, however often the supervisor says it.
      [2, 3, '{"made":"here"}'],
      [3, 5, '{"content":"after","source":"stdout"}'],
    ])
    expect(await headOf(session)).toMatchObject({ lastSeq: 3, lastN: 5 })
  })
})

describe('exactly once', () => {
  test('events that are sent again are acked and not stored again', async () => {
    const session = await addSession(database)
    await log.offer(frame(session, 1, outputs(1, 3)))
    await expect(log.offer(frame(session, 1, outputs(1, 3)))).resolves.toEqual({ epoch: 1, n: 3 })
    await expect(log.offer(frame(session, 2, outputs(2, 5)))).resolves.toEqual({ epoch: 1, n: 5 })
    expect(await contents(session)).toEqual(outputs(1, 5).map(({ data }) => data.content))
  })

  test('the same events sent at once on two links are stored once', async () => {
    const session = await addSession(database)
    await Promise.all([1, 2].map(() => log.offer(frame(session, 1, outputs(1, 50)))))
    expect(await contents(session)).toEqual(outputs(1, 50).map(({ data }) => data.content))
  })

  test('a hole is refused; frames of other sessions, and the same frame without the hole, are not', async () => {
    const [broken, whole] = [await addSession(database), await addSession(database)]
    const [refused, taken] = await Promise.allSettled([
      log.offer(frame(broken, 2, outputs(2, 3))),
      log.offer(frame(whole, 1, outputs(1, 2))),
    ])
    expect(refused).toMatchObject({ status: 'rejected', reason: expect.any(HoleError) })
    expect(taken).toMatchObject({ status: 'fulfilled' })
    expect(await rowsOf(broken)).toEqual([])
    await log.offer(frame(broken, 1, outputs(1, 3)))
    expect(await contents(broken)).toHaveLength(3)
  })

  test('a hole that events_dropped stands for is none', async () => {
    const session = await addSession(database)
    await log.offer(frame(session, 1, outputs(1, 2)))
    await expect(log.offer(frame(session, 6, [dropped(2), output('six')]))).rejects.toThrow(HoleError)
    await expect(log.offer(frame(session, 6, [dropped(3), output('seven')]))).resolves.toEqual({ epoch: 1, n: 7 })
    expect(await contents(session)).toEqual(['line 1', 'line 2', 'events_dropped', 'seven'])
    expect(await headOf(session)).toMatchObject({ lastSeq: 4, lastN: 7 })
  })

  test('events of an earlier epoch are acked and discarded; those of one that was never given are refused', async () => {
    const session = await addSession(database)
    await log.offer(frame(session, 1, outputs(1, 2)))
    await database.orm.update(sessionHead).set({ epoch: 2, lastN: 0 }).where(eq(sessionHead.sessionId, session))
    await expect(log.offer(frame(session, 3, outputs(3, 4), 1))).resolves.toEqual({ epoch: 1, n: 4 })
    await expect(log.offer(frame(session, 1, outputs(1, 1), 3))).rejects.toThrow(HoleError)
    await log.offer(frame(session, 1, outputs(8, 9), 2))
    expect(await contents(session)).toEqual(['line 1', 'line 2', 'line 8', 'line 9'])
    expect(await headOf(session)).toMatchObject({ lastSeq: 4, epoch: 2, lastN: 2 })
  })

  test('events of unknown and deleted sessions are acked and discarded', async () => {
    const deleted = await addSession(database)
    await database.orm.update(sessionTable).set({ state: 'deleted' }).where(eq(sessionTable.id, deleted))
    await expect(log.offer(frame(deleted, 1, outputs(1, 2)))).resolves.toEqual({ epoch: 1, n: 2 })
    await expect(log.offer(frame(newSessionId(), 7, outputs(1, 2)))).resolves.toEqual({ epoch: 1, n: 8 })
    expect(await rowsOf(deleted)).toEqual([])
  })

  test('nothing is stored behind a deletion that was under way', async () => {
    const session = await addSession(database)
    const letGo = await holdHead(session, (tx) =>
      tx.orm.update(sessionTable).set({ state: 'deleted' }).where(eq(sessionTable.id, session)),
    )
    const offered = log.offer(frame(session, 1, outputs(1, 2)))
    // It has looked at the session already, and waits for the head alone.
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    await expect.poll(async () => (await testing.pool.query(waiting)).rowCount).toBe(1)
    await letGo()
    await expect(offered).resolves.toEqual({ epoch: 1, n: 2 })
    expect(await rowsOf(session)).toEqual([])
  })
})

describe('an event that cannot be stored', () => {
  test('is an error under its own number, acked, and the sessions do not see it', async () => {
    const seen: StoredEvent[] = []
    const own = await logWith({ apply: async (_tx, events) => void seen.push(...events) })
    const session = await addSession(database)
    const events = [output('one'), { type: 'gossip', data: {} }, output('three')]
    await expect(own.offer(frame(session, 1, events))).resolves.toEqual({ epoch: 1, n: 3 })
    const rows = await rowsOf(session)
    expect(rows.map(({ seq, n, type }) => [seq, n, type])).toEqual([
      [1, 1, 'output'],
      [2, 2, 'error'],
      [3, 3, 'output'],
    ])
    expect(JSON.parse(rows[1]?.data ?? '')).toMatchObject({ details: { rejectedType: 'gossip' } })
    expect(seen.map((stored) => stored.seq)).toEqual([1, 3])
  })

  test('because it is above 8 MiB leaves the others as they are', async () => {
    const session = await addSession(database)
    await log.offer(frame(session, 1, [output('x'.repeat(limits.eventBytes)), output('two')]))
    expect((await rowsOf(session)).map(({ type }) => type)).toEqual(['error', 'output'])
  })

  const poison = (events: StoredEvent[]) => {
    for (const stored of events) if (stored.data.includes('poison')) throw new Error('the transcript chokes on it')
  }
  const endTwice = async (tx: Tx, events: StoredEvent[]) => {
    // The database refuses a second ending event of one execution: SQLSTATE 23505.
    for (const stored of events.filter((one) => one.data.includes('poison'))) {
      for (const seq of [-1, -2]) {
        const ending = {
          sessionId: stored.sessionId,
          type: 'error',
          data: '{}',
          executionId: newExecutionId(),
        } as const
        await tx.orm.insert(event).values({ ...ending, executionId: 'exec_same', seq, ends: true })
      }
    }
  }

  test.each<[string, LogSink['apply']]>([
    ['the transcript cannot take', async (_tx, events) => poison(events)],
    ['the database refuses', endTwice],
    [
      'fails with a bug in a statement',
      async (tx, events) => {
        if (events.some((stored) => stored.data.includes('poison')))
          await tx.client.query('select nothing from nowhere')
      },
    ],
  ])('because %s, becomes an error, and all others of the batch are stored', async (_why, apply) => {
    const own = await logWith({ apply })
    const [one, two] = [await addSession(database), await addSession(database)]
    const answers = await Promise.all([
      own.offer(frame(one, 1, [output('a'), output('poison'), output('c')])),
      own.offer(frame(one, 4, [output('d'), output('poison')])),
      own.offer(frame(two, 1, [output('x'), output('y')])),
    ])
    expect(answers.map(({ n }) => n)).toEqual([3, 5, 2])
    expect(await contents(one)).toEqual(['a', 'error', 'c', 'd', 'error'])
    expect((await rowsOf(one)).map(({ n }) => n)).toEqual([1, 2, 3, 4, 5])
    expect(await contents(two)).toEqual(['x', 'y'])
  })

  test('only once, for a reason that passes, is stored as it is', async () => {
    let failures = 1
    const own = await logWith({
      apply: async () => {
        if (failures-- > 0) throw new Error('it rains')
      },
    })
    const session = await addSession(database)
    await own.offer(frame(session, 1, [output('a')]))
    expect(await contents(session)).toEqual(['a'])
  })

  test('because the sessions refuse it at the door, becomes an error', async () => {
    const own = await logWith({
      admit: async () => {
        throw new TypeError('an outcome without an execution')
      },
    })
    const session = await addSession(database)
    const started = { type: 'started', data: { executionId: newExecutionId(), attempt: 1 } }
    await own.offer(frame(session, 1, [output('a'), started, output('c')]))
    expect(await contents(session)).toEqual(['a', 'error', 'c'])
  })
})

describe('a head that somebody else holds', () => {
  test('holds up no other session, and its events are stored when it is free', async () => {
    const [busy, free] = [await addSession(database), await addSession(database)]
    const letGo = await holdHead(busy)
    const held = log.offer(frame(busy, 1, outputs(1, 2)))
    for (let n = 1; n <= 20; n++) await log.offer(frame(free, n, outputs(n, n)))
    expect(await rowsOf(busy)).toEqual([])
    await letGo()
    await expect(held).resolves.toEqual({ epoch: 1, n: 2 })
    expect(await contents(busy)).toEqual(['line 1', 'line 2'])
  })

  test('is had at last, however many others want it all the time', async () => {
    const session = await addSession(database)
    let contended = true
    const others = Array.from({ length: 6 }, async (_, i) => {
      for (let k = 0; contended; k++) {
        await database.transaction((tx) =>
          log.appendIn(tx, session, [{ type: 'output', data: '{}', key: `${i}:${k}` }]),
        )
      }
    })
    for (let n = 1; n <= 30; n++) await log.offer(frame(session, n, outputs(n, n)))
    contended = false
    await Promise.all(others)
    expect((await headOf(session)).lastN).toBe(30)
  })
})

describe('a database that is away', () => {
  test('gives back what was offered with a retryable error; sent again, it is stored once', async () => {
    let cut = true
    const own = await logWith({
      apply: async (tx) => {
        if (cut) await tx.client.query('select pg_terminate_backend(pg_backend_pid())')
      },
    })
    const [one, two] = [await addSession(database), await addSession(database)]
    const offer = () =>
      Promise.allSettled([
        own.offer(frame(one, 1, outputs(1, 700))),
        own.offer(frame(one, 701, outputs(701, 702))),
        own.offer(frame(two, 1, outputs(1, 1))),
      ])
    for (const answer of await offer()) {
      expect(answer).toMatchObject({ status: 'rejected', reason: { reason: 'unavailable' } })
    }
    cut = false
    expect((await offer()).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    expect(await contents(one)).toEqual(outputs(1, 702).map(({ data }) => data.content))
  })

  test('in the middle of a commit leaves it open whether there was one; sent again, it is stored once', async () => {
    const unanswered: Database = {
      ...database,
      async lockedTransaction(lock, run) {
        await database.lockedTransaction(lock, (tx, locked) => run({ ...tx, afterCommit: () => undefined }, locked))
        throw new Error('Connection terminated unexpectedly')
      },
    }
    const deaf = createWriter({
      database: unanswered,
      sink: bareSink,
      logger: pino({ level: 'silent' }),
      publish: () => undefined,
    })
    const session = await addSession(database)
    await expect(deaf.offer(frame(session, 1, outputs(1, 3)))).rejects.toMatchObject({ reason: 'unavailable' })
    await expect(log.offer(frame(session, 1, outputs(1, 3)))).resolves.toEqual({ epoch: 1, n: 3 })
    expect(await contents(session)).toHaveLength(3)
  })
})

test('closing gives back what is not settled, and waits for what is in flight', async () => {
  const gate = Promise.withResolvers<void>()
  const applied = Promise.withResolvers<void>()
  const own = await logWith({
    apply: async () => {
      applied.resolve()
      await gate.promise
    },
  })
  const session = await addSession(database)
  const offered = own.offer(frame(session, 1, outputs(1, 2)))
  const refused = expect(offered).rejects.toMatchObject({ reason: 'unavailable' })
  await applied.promise
  const closed = own.close()
  await refused
  gate.resolve()
  await closed
  // It was on its way already. The supervisor learns so by sending it again.
  expect(await contents(session)).toHaveLength(2)
  await expect(own.offer(frame(session, 3, outputs(3, 3)))).rejects.toMatchObject({ reason: 'unavailable' })
})
