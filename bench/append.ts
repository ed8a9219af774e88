/**
 * How many events a second the log takes from supervisors: checked, numbered, on disk and acked. Beside it the bare
 * inserts of the same rows on one connection, without checks, numbers, locks, or anything before the next commit.
 */
import { randomUUID } from 'node:crypto'
import type { PoolClient } from 'pg'
import type { Log } from '../packages/server/src/log/log.ts'
import { createHoldBack } from '../packages/server/src/secrets/holdBack.ts'
import { createRedactors } from '../packages/server/src/secrets/redactors.ts'
import { addSession, delta, type LogUnderTest, openLog } from '../packages/server/src/testing/log.ts'
import { type Benchmark, byTurns } from './benchmark.ts'

const secrets = ['hunter2-hunter2', 'sk-0123456789abcdefghijklmnop', 'https://user:password@db.example.com/app']
const total = 20_000
const partId = 'prt_0123456789abABCDEFGHIJKLMN'
const deltas = (from: number, size: number) =>
  Array.from({ length: size }, (_, i) => delta(`the ${from + i}th few words `, partId))

export const append: Benchmark = {
  name: 'append',
  async run({ openDatabase }) {
    const pool = await openDatabase()
    const { log, database } = await openLog(pool)
    const client = await pool.connect()
    const figures = await byTurns({
      guarded100: () => perSecond(() => offerAll({ log: redacted(log, []), database }, { size: 100, inFlight: 1 })),
      secret100: () => perSecond(() => offerAll({ log: redacted(log, secrets), database }, { size: 100, inFlight: 1 })),
      log100: () => perSecond(() => offerAll({ log, database }, { size: 100, inFlight: 1 })),
      raw100: () => perSecond(() => insertAll(client, 100)),
      logWindow: () => perSecond(() => offerAll({ log, database }, { size: 50, inFlight: 20 })),
      raw500: () => perSecond(() => insertAll(client, 500)),
    })
    client.release()
    await log.close()
    return [
      {
        what: 'log, commits of 100',
        unit: 'events/s',
        figures: figures.log100,
        reference: { what: 'bare inserts of 100', figures: figures.raw100 },
      },
      {
        what: 'the same behind the redactor, a session without secrets',
        unit: 'events/s',
        figures: figures.guarded100,
        reference: { what: 'log, commits of 100', figures: figures.log100 },
      },
      {
        what: 'the same, a session with three secrets',
        unit: 'events/s',
        figures: figures.secret100,
        reference: { what: 'log, commits of 100', figures: figures.log100 },
      },
      {
        what: 'log, a window of 1,000 in flight',
        unit: 'events/s',
        figures: figures.logWindow,
        reference: { what: 'bare inserts of 500', figures: figures.raw500 },
      },
    ]
  },
}

/** The way of what supervisors send. */
function redacted(log: Log, known: readonly string[]): Pick<Log, 'offer'> {
  const redactors = createRedactors({ secretsOf: async () => known })
  return createHoldBack({ redactors, offer: log.offer, holdMs: 500 })
}

async function perSecond(run: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await run()
  return total / ((performance.now() - start) / 1000)
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
