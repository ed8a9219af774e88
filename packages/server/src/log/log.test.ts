/** The log's promises, under random interleavings of both doors over several sessions. */
import { type EventsFrame, newSessionId, type SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { event, sessionHead } from '../database/schema.ts'
import type { Database } from '../database/transaction.ts'
import { addSession, bareSink, openLog } from '../testing/log.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import type { Log } from './log.ts'
import { HoleError } from './writer.ts'

let testing: TestDatabase
let database: Database
let log: Log
beforeAll(async () => {
  testing = await testDatabase()
  ;({ log, database } = await openLog(testing.pool, {
    sink: {
      ...bareSink,
      apply: async (_tx, events) => {
        for (const stored of events) if (stored.data.includes('poison')) throw new Error('cannot be applied')
      },
    },
  }))
})
afterAll(async () => {
  await log.close()
  await testing[Symbol.asyncDispose]()
})

/** What one supervisor has in its spool: event `n` of an epoch, always the same. */
type Spool = { epoch: number; kinds: ('good' | 'unknown' | 'malformed' | 'poison')[] }

const eventOf = ({ epoch, kinds }: Spool, n: number): EventsFrame['events'][number] => {
  const kind = kinds[n - 1]
  const data = { content: kind === 'poison' ? 'poison' : `${epoch}:${n}`, source: 'stdout' }
  if (kind === 'unknown') return { type: 'gossip', data }
  return { type: 'output', data: kind === 'malformed' ? { ...data, source: 'elsewhere' } : data }
}

/** How a link behaves: each step sends a frame that begins a little before or after where it should. */
type Step = { shift: number; length: number; alongside: boolean }

async function send(session: SessionId, spool: Spool, steps: Step[]): Promise<void> {
  const total = spool.kinds.length
  const under: Promise<void>[] = []
  let acked = 0

  async function offer(from: number, length: number): Promise<void> {
    const events = Array.from({ length }, (_, i) => eventOf(spool, from + i))
    try {
      const ack = await log.offer({ session, epoch: spool.epoch, from, events })
      expect(ack).toEqual({ epoch: spool.epoch, n: from + length - 1 })
      // Acked is on disk, or of a life of the spool that is over.
      const [head] = await database.orm.select().from(sessionHead).where(eq(sessionHead.sessionId, session))
      if (head?.epoch === spool.epoch) expect(head.lastN).toBeGreaterThanOrEqual(ack.n)
      acked = Math.max(acked, ack.n)
    } catch (error) {
      // A frame that ran ahead was refused; the next one begins at what is acked.
      if (!(error instanceof HoleError)) throw error
    }
  }

  for (const step of steps) {
    const from = Math.min(Math.max(1, acked + 1 + step.shift), total)
    const offered = offer(from, Math.min(step.length, total + 1 - from))
    if (step.alongside) under.push(offered)
    else await offered
  }
  await Promise.all(under)
  while (acked < total) await offer(acked + 1, Math.min(7, total - acked))
}

const kind = fc.oneof(
  { weight: 12, arbitrary: fc.constant('good' as const) },
  { weight: 1, arbitrary: fc.constantFrom('unknown' as const, 'malformed' as const, 'poison' as const) },
)
const step: fc.Arbitrary<Step> = fc.record({
  shift: fc.integer({ min: -6, max: 2 }),
  length: fc.integer({ min: 1, max: 9 }),
  alongside: fc.boolean(),
})
const life = fc.record({
  kinds: fc.array(kind, { minLength: 1, maxLength: 40 }),
  links: fc.array(fc.array(step, { maxLength: 12 }), { minLength: 1, maxLength: 2 }),
})
const story = fc.record({
  /** The lives of its spool, one after the other; the last frames of one may come during the next. */
  lives: fc.array(life, { minLength: 1, maxLength: 2 }),
  /** Keys that the server appends under, some of them again and again. */
  appended: fc.array(fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 3 }), { maxLength: 12 }),
})

describe('under any interleaving of both doors', () => {
  test('numbers have no gap or double, every event is there once and in order, and acks are true', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(story, { minLength: 1, maxLength: 4 }), async (stories) => {
        const told = await Promise.all(stories.map(async (one) => ({ ...one, session: await addSession(database) })))
        await Promise.all(
          told.flatMap(({ session, lives, appended }) => [
            liveThrough(session, lives),
            ...appended.map((keys) => appendKeys(session, keys)),
            log.offer({ session: newSessionId(), epoch: 1, from: 1, events: [{ type: 'output', data: {} }] }),
          ]),
        )
        for (const { session, lives, appended } of told) await check(session, lives, appended.flat())
      }),
      { numRuns: 25 },
    )
  }, 60_000)
})

type Life = { kinds: Spool['kinds']; links: Step[][] }

async function liveThrough(session: SessionId, lives: Life[]): Promise<void> {
  const sendings: Promise<unknown>[] = []
  for (const [i, { kinds, links }] of lives.entries()) {
    const epoch = i + 1
    if (epoch > 1) {
      await database.transaction((tx) =>
        tx.orm.update(sessionHead).set({ epoch, lastN: 0 }).where(eq(sessionHead.sessionId, session)),
      )
    }
    const spool = { epoch, kinds }
    const ended = Promise.all(links.map((steps) => send(session, spool, steps)))
    if (epoch === lives.length) await ended
    // An earlier life is cut off by the next one wherever it is.
    else sendings.push(ended)
  }
  await Promise.all(sendings)
}

async function appendKeys(session: SessionId, keys: number[]): Promise<void> {
  const events = keys.map((key) => ({ type: 'output' as const, data: `{"key":${key}}`, key: `key:${key}` }))
  const append = () => database.transaction((tx) => log.appendIn(tx, session, events))
  const numbers = await append()
  // Once more, as after a COMMIT whose answer was lost.
  expect(await append()).toEqual(numbers)
}

async function check(session: SessionId, lives: Life[], keys: number[]): Promise<void> {
  const rows = await database.orm.select().from(event).where(eq(event.sessionId, session)).orderBy(event.seq)
  const [head] = await database.orm.select().from(sessionHead).where(eq(sessionHead.sessionId, session))
  expect(rows.map((row) => row.seq)).toEqual(rows.map((_, i) => i + 1))
  expect(head?.lastSeq).toBe(rows.length)

  const appended = rows.filter((row) => row.key !== null)
  expect(appended.map((row) => row.key).sort()).toEqual([...new Set(keys)].map((key) => `key:${key}`).sort())

  const sent = rows.filter((row) => row.key === null)
  expect(sent.map((row) => row.epoch)).toEqual(sent.map((row) => row.epoch).sort())
  for (const [i, { kinds }] of lives.entries()) {
    const epoch = i + 1
    const own = sent.filter((row) => row.epoch === epoch)
    // All of the last life; of an earlier one what had come when it was over.
    const expected = kinds.slice(0, epoch === lives.length ? kinds.length : own.length)
    expect(own.map((row) => row.n)).toEqual(expected.map((_, k) => k + 1))
    expect(own.map((row) => [row.type, JSON.parse(row.data).content])).toEqual(
      expected.map((kind, k) => (kind === 'good' ? ['output', `${epoch}:${k + 1}`] : ['error', undefined])),
    )
  }
}
