import { setImmediate as nextTurn } from 'node:timers/promises'
import { limits, newExecutionId, type SessionId, type StreamEventType } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { event } from '../database/schema.ts'
import type { Database } from '../database/transaction.ts'
import { addSession, delta, openLog } from '../testing/log.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import type { Frame } from './envelope.ts'
import { type Filters, matches } from './filters.ts'
import { follow } from './follow.ts'
import { lastSeqs } from './heads.ts'
import { createHub } from './hub.ts'
import type { Log } from './log.ts'
import { pageSql, readPage } from './replay.ts'
import type { NewEvent } from './types.ts'

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

const output = (content: string): NewEvent => ({
  type: 'output',
  data: JSON.stringify({ content, source: 'stdout' }),
})
const append = (session: SessionId, events: NewEvent[]) =>
  database.transaction((tx) => log.appendIn(tx, session, events))
const lines = (count: number, bytes = 10) => Array.from({ length: count }, (_, i) => output(`${i}`.padEnd(bytes, '.')))
const seqs = (frames: readonly Frame[]) => frames.map((frame) => frame.seq)
const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1)

/** A viewer that reads until it has seen `last`, and pauses where it is told to. */
async function view(
  session: SessionId,
  options: { after?: number; last: number; filters?: Filters; pause?: (batch: Frame[]) => Promise<unknown> },
): Promise<Frame[]> {
  const { after = 0, last, filters, pause } = options
  const seen: Frame[] = []
  const ended = new AbortController()
  for await (const batch of log.follow(session, { after, filters, signal: ended.signal })) {
    seen.push(...batch)
    if ((seen.at(-1)?.seq ?? 0) >= last) ended.abort()
    else await pause?.(batch)
  }
  return seen
}

describe('a page of the log', () => {
  test('holds at most 1 MiB', async () => {
    const session = await addSession(database)
    await append(session, lines(30, 100_000))
    const page = await readPage(testing.pool, session, { after: 0, upTo: 30 })
    expect(seqs(page.frames)).toEqual(upTo(10))
    expect(page.through).toBe(10)
    const bytes = page.frames.reduce((sum, frame) => sum + frame.bytes, 0)
    expect(bytes).toBeLessThanOrEqual(limits.replayPageBytes)
  })

  test('holds one event that is larger, alone', async () => {
    const session = await addSession(database)
    await append(session, [output('a'), output('x'.repeat(5 * limits.replayPageBytes)), output('b')])
    const pages: number[][] = []
    for await (const frames of log.replay(session, { after: 0, upTo: 3 })) pages.push(seqs(frames))
    expect(pages).toEqual([[1], [2], [3]])
  })

  test('is the envelope that viewers get, byte for byte what the live one is', async () => {
    const session = await addSession(database)
    const executionId = newExecutionId()
    const live = view(session, { last: 2 })
    await append(session, [{ ...output('ä "quoted"\n'), executionId }, output('b')])
    const replayed = await readPage(testing.pool, session, { after: 0, upTo: 2 })
    expect(replayed.frames).toEqual(await live)
    const [first] = replayed.frames
    expect(JSON.parse(first?.text ?? '')).toEqual({
      eventId: 1,
      sessionId: session,
      executionId,
      streamEventType: 'output',
      timestamp: first?.at.toISOString(),
      data: { content: 'ä "quoted"\n', source: 'stdout' },
    })
  })

  test('passes over numbers that have no event any more', async () => {
    const session = await addSession(database)
    await append(session, lines(12))
    await database.orm.delete(event).where(sql`session_id = ${session.slice(6)}::uuid and seq between 3 and 11`)
    expect(seqs(await view(session, { last: 12 }))).toEqual([1, 2, 12])
    const page = await readPage(testing.pool, session, { after: 2, upTo: 11 })
    expect(page).toEqual({ frames: [], through: 11 })
  })

  test('is read by the key in its order, however much the log holds', async () => {
    const session = await addSession(database)
    await append(session, lines(3_000))
    await testing.pool.query('analyze event')
    const plan = await testing.pool.query(`explain (generic_plan, format json) ${pageSql}`)
    const text = JSON.stringify(plan.rows)
    expect(text).toContain('event_session_id_seq_pk')
    expect(text).not.toContain('"Sort"')
  })
})

describe('following a session', () => {
  test('gives what is there, then what comes', async () => {
    const session = await addSession(database)
    await append(session, lines(5))
    const seen = view(session, { last: 9, after: 2 })
    await append(session, lines(2))
    await append(session, lines(2))
    expect(seqs(await seen)).toEqual([3, 4, 5, 6, 7, 8, 9])
  })

  test('ends when it is told to, and leaves nothing behind', async () => {
    const session = await addSession(database)
    const hub = createHub({ heads: (ids) => lastSeqs(testing.pool, ids), logger: pino({ level: 'silent' }) })
    const ended = new AbortController()
    const seen: Frame[] = []
    const viewing = (async () => {
      const options = { after: 0, signal: ended.signal }
      for await (const batch of follow({ pool: testing.pool, hub }, session, options)) seen.push(...batch)
    })()
    await expect.poll(() => hub.followed()).toBe(1)
    ended.abort()
    await viewing
    expect(hub.followed()).toBe(0)
    hub.close()
  })

  test('sees events whose commit was answered to nobody', async () => {
    const session = await addSession(database)
    const hub = createHub({
      heads: (ids) => lastSeqs(testing.pool, ids),
      logger: pino({ level: 'silent' }),
      compareMs: 10,
    })
    const ended = new AbortController()
    const frames = follow({ pool: testing.pool, hub }, session, { after: 0, signal: ended.signal })
    const first = frames.next()
    await expect.poll(() => hub.followed()).toBe(1)
    // This log publishes to another hub: ours hears of nothing.
    await append(session, lines(3))
    const { value } = await first
    expect(seqs(value ?? [])).toEqual([1, 2, 3])
    ended.abort()
    await frames.return()
    hub.close()
  })

  test('fails when the log cannot be read, instead of waiting for ever', async () => {
    const other = await testDatabase()
    const { log: own, database: ownDatabase } = await openLog(other.pool)
    const session = await addSession(ownDatabase)
    const ended = new AbortController()
    await other.pool.query('alter table event rename to elsewhere')
    await other.pool.query('update session_head set last_seq = 3')
    const frames = own.follow(session, { after: 0, signal: ended.signal })
    await expect(frames.next()).rejects.toThrow('event')
    await own.close()
    await other[Symbol.asyncDispose]()
  })

  test('exactly the log, whenever and wherever viewers are cut off and come back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 12 }),
        fc.array(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
        async (commits, viewers) => {
          const session = await addSession(database)
          const last = commits.reduce((sum, size) => sum + size, 0)
          const writing = (async () => {
            let n = 1
            for (const size of commits) {
              // Both doors by turns; large events now and then, so that viewers fall behind.
              if (size % 2 === 0) await append(session, lines(size, size % 5 === 0 ? 60_000 : 20))
              else {
                const events = Array.from({ length: size }, (_, i) => delta(`${n + i}`))
                await log.offer({ session, epoch: 1, from: n, events })
                n += size
              }
            }
          })()
          const seen = await Promise.all(
            viewers.map(async (cuts) => {
              const frames: Frame[] = []
              for (const cut of [...cuts, last]) {
                const after = frames.at(-1)?.seq ?? 0
                const pause = () => nextTurn()
                const batch = await view(session, { after, last: Math.min(last, after + cut), pause })
                // What came after the cut was not read by the viewer that was cut off.
                frames.push(...batch.filter((frame) => frame.seq <= after + cut))
                if (frames.at(-1)?.seq === last) break
              }
              return frames
            }),
          )
          await writing
          const rows = await database.orm.select().from(event).where(eq(event.sessionId, session)).orderBy(event.seq)
          for (const frames of seen) {
            expect(seqs(frames)).toEqual(upTo(last))
            expect(frames.map((frame) => JSON.stringify(JSON.parse(frame.text).data))).toEqual(
              rows.map((row) => row.data),
            )
          }
        },
      ),
      { numRuns: 25 },
    )
  }, 60_000)
})

describe('a viewer that takes nothing', () => {
  test('has at most 1 MiB waiting, delays nobody, and reads it all from the log later', async () => {
    const session = await addSession(database)
    const total = 60
    const stalled = Promise.withResolvers<void>()
    let taken = 0
    const slow = view(session, { last: total, pause: () => (taken++ === 0 ? stalled.promise : nextTurn()) })
    const quick: Promise<Frame[]>[] = [view(session, { last: total }), view(session, { last: total })]
    for (let i = 0; i < total; i++) await append(session, lines(1, 200_000))
    for (const seen of await Promise.all(quick)) expect(seqs(seen)).toEqual(upTo(total))
    expect(taken).toBe(1)
    stalled.resolve()
    const seen = await slow
    expect(seqs(seen)).toEqual(upTo(total))
    // Frames that had waited are those that the others got; what was let go of was made anew from the log.
    const [shared = []] = await Promise.all(quick)
    const kept = seen.filter((frame) => shared.includes(frame)).reduce((sum, frame) => sum + frame.bytes, 0)
    expect(kept).toBeLessThanOrEqual(2 * limits.viewerBacklogBytes)
  })
})

describe('a filter', () => {
  const executions = [newExecutionId(), newExecutionId()]
  const types: StreamEventType[] = ['output', 'status', 'acp']
  const filters: fc.Arbitrary<Filters> = fc.record(
    {
      types: fc.uniqueArray(fc.constantFrom(...types), { minLength: 1 }),
      executionIds: fc.uniqueArray(fc.constantFrom(...executions), { minLength: 1 }),
      from: fc.integer({ min: 0, max: 40 }).map((second) => new Date(second * 1000)),
      to: fc.integer({ min: 0, max: 40 }).map((second) => new Date(second * 1000)),
    },
    { requiredKeys: [] },
  )

  test('wants the same of the log as of what comes live', async () => {
    const session = await addSession(database)
    const many = Array.from({ length: 40 }, (_, i) => ({
      type: types[i % types.length] ?? 'output',
      executionId: executions[i % 5],
      data: '{}',
    }))
    await append(session, many)
    await database.orm.update(event).set({ at: sql`to_timestamp(seq)` }).where(eq(event.sessionId, session))
    const all = await readPage(testing.pool, session, { after: 0, upTo: 40 })
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 0, max: 40 }), async (wanted, after) => {
        const page = await readPage(testing.pool, session, { after, upTo: 40, filters: wanted })
        expect(page.frames).toEqual(all.frames.filter((frame) => frame.seq > after && matches(wanted, frame)))
        expect(page.through).toBe(40)
      }),
    )
  })

  test('holds for what comes live, too', async () => {
    const session = await addSession(database)
    const seen = view(session, { last: 4, filters: { types: ['status'] } })
    await append(session, [output('a'), { type: 'status', data: '{"message":"b"}' }])
    await append(session, [output('c'), { type: 'status', data: '{"message":"d"}' }])
    expect(seqs(await seen)).toEqual([2, 4])
  })
})
