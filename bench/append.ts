/**
 * How many events a second the log takes from supervisors: checked, numbered, on disk and acked. Once for the log alone,
 * and once for all that a server does with them: twenty sessions with the transcript that their events make, and a viewer
 * of each. Beside it the bare inserts of the same rows on one connection, without checks, numbers, locks, or anything
 * before the next commit; and Redis streams.
 */
import { randomUUID } from 'node:crypto'
import type { PoolClient } from 'pg'
import { serveStream } from '../packages/server/src/faces/cloud-agent/testStream.ts'
import { addUser, identityOn } from '../packages/server/src/identity/testIdentity.ts'
import type { Log } from '../packages/server/src/log/log.ts'
import { createHoldBack } from '../packages/server/src/secrets/holdBack.ts'
import { createRedactors } from '../packages/server/src/secrets/redactors.ts'
import { addSession, delta, type LogUnderTest, openLog } from '../packages/server/src/testing/log.ts'
import { type Benchmark, byTurns, perSecond, type Row } from './benchmark.ts'
import { startRedis } from './redis.ts'
import { openStreamingSessions } from './streamingSessions.ts'

const secrets = ['hunter2-hunter2', 'sk-0123456789abcdefghijklmnop', 'https://user:password@db.example.com/app']
const total = 20_000
const partId = 'prt_0123456789abABCDEFGHIJKLMN'
const unit = 'events/s'
const deltas = (from: number, size: number) =>
  Array.from({ length: size }, (_, i) => delta(`the ${from + i}th few words `, partId))

export const append: Benchmark = {
  name: 'append',
  async run({ openDatabase }) {
    const { pool } = await openDatabase()
    const { log, database } = await openLog(pool)
    await addUser(pool, 'user-1')
    await using face = await serveStream({ database, identity: identityOn(database), userId: 'user-1' })
    await using streaming = await openStreamingSessions(face, 20)
    await using redis = await startRedis()
    const client = await pool.connect()
    const each = (run: () => Promise<unknown>) => () => perSecond(total, run)
    const figures = await byTurns({
      everything: each(() => streaming.offer({ total, size: 25, inFlight: 2 })),
      guarded100: each(() => offerAll({ log: redacted(log, []), database }, { size: 100, inFlight: 1 })),
      secret100: each(() => offerAll({ log: redacted(log, secrets), database }, { size: 100, inFlight: 1 })),
      log100: each(() => offerAll({ log, database }, { size: 100, inFlight: 1 })),
      raw100: each(() => insertAll(client, 100)),
      logWindow: each(() => offerAll({ log, database }, { size: 50, inFlight: 20 })),
      raw500: each(() => insertAll(client, 500)),
      redis500: redis ? each(() => appendAll(redis, 500)) : async () => Number.NaN,
    })
    client.release()
    await log.close()
    const bare500 = { what: 'bare inserts of 500', figures: figures.raw500 }
    const log100 = { what: 'log, commits of 100', figures: figures.log100 }
    const everything = { what: '20 sessions with transcript and viewers', unit, figures: figures.everything }
    return [
      { ...everything, reference: bare500, target: { of: 'ratio', atLeast: 0.5 } },
      {
        ...everything,
        reference: redis
          ? { what: 'Redis streams, 500 at once, fsync', figures: figures.redis500 }
          : { absent: 'Redis streams: there is no redis-server here' },
      },
      { ...log100, unit, reference: { what: 'bare inserts of 100', figures: figures.raw100 } },
      { what: 'log, a window of 1,000 in flight', unit, figures: figures.logWindow, reference: bare500 },
      {
        ...{ what: 'behind the redactor, a session without secrets', unit, figures: figures.guarded100 },
        reference: log100,
      },
      {
        ...{ what: 'behind the redactor, a session with three secrets', unit, figures: figures.secret100 },
        reference: log100,
      },
    ] satisfies Row[]
  },
}

/** The way of what supervisors send. */
function redacted(log: Log, known: readonly string[]): Pick<Log, 'offer'> {
  const redactors = createRedactors({ secretsOf: async () => known })
  return createHoldBack({ redactors, offer: log.offer, holdMs: 500 })
}

async function offerAll(
  { log, database }: { log: Pick<Log, 'offer'>; database: LogUnderTest['database'] },
  options: { size: number; inFlight: number },
): Promise<void> {
  const { size, inFlight } = options
  const session = await addSession(database)
  const offers: Promise<unknown>[] = []
  for (let from = 1; from <= total; from += size) {
    offers.push(log.offer({ session, epoch: 1, from, events: deltas(from, size) }))
    if (offers.length >= inFlight) await offers.shift()
  }
  await Promise.all(offers)
}

async function insertAll(client: PoolClient, size: number): Promise<void> {
  const session = randomUUID()
  for (let from = 1; from <= total; from += size) {
    const events = deltas(from, size)
    await client.query({
      name: 'bare',
      text: `insert into event (session_id, seq, type, entity_id, data, epoch, n)
        select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::bigint[])`,
      values: [
        events.map(() => session),
        events.map((_, i) => from + i),
        events.map((event) => event.type),
        events.map(() => partId),
        events.map((event) => JSON.stringify(event.data)),
        events.map(() => 1),
        events.map((_, i) => from + i),
      ],
    })
  }
}

async function appendAll(
  redis: { append(stream: string, texts: readonly string[]): Promise<void> },
  size: number,
): Promise<void> {
  const stream = randomUUID()
  for (let from = 1; from <= total; from += size) {
    await redis.append(
      stream,
      deltas(from, size).map((event) => JSON.stringify(event.data)),
    )
  }
}
