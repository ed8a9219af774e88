/**
 * What the web proxy let through and what it refused, as rows that the session's owner can read: one for each session,
 * minute, host, port and outcome, so a program that tries without end fills no table. Written at once after a short while; what waits
 * while the database is away is bounded, and what is past the bound is given up and counted in the log.
 */
import type { SessionId, VisitRefusal } from '@corral/protocol'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { isConnectionError } from '../../database/connect.ts'
import { sessionUuid } from '../../database/sessionUuid.ts'

export type Visit = {
  sessionId: SessionId
  host: string
  port: number
  /** Null: it was allowed. */
  why: VisitRefusal | null
  /** Bytes to the server and from it. */
  sent: number
  received: number
}

export type NetworkLog = AsyncDisposable & { note(visit: Visit): void }

const writeEveryMs = 250
const maxWaiting = 5_000

type Waiting = Visit & { minute: Date; visits: number }

export function createNetworkLog(deps: { pool: Pool; log: Pick<Logger, 'warn' | 'error'> }): NetworkLog {
  const { pool, log } = deps
  let waiting = new Map<string, Waiting>()
  let lost = 0

  function add(visit: Waiting): void {
    const key = [visit.sessionId, visit.minute.getTime(), visit.host, visit.port, visit.why].join(' ')
    const known = waiting.get(key)
    if (known) {
      known.visits += visit.visits
      known.sent += visit.sent
      known.received += visit.received
    } else if (waiting.size < maxWaiting) waiting.set(key, visit)
    else lost += 1
  }

  async function write(): Promise<void> {
    if (waiting.size === 0) return
    const batch = [...waiting.values()]
    waiting = new Map()
    try {
      // By network_visit_pkey.
      await pool.query({
        name: 'gateway_network_visits',
        text: `
          insert into network_visit (session_id, minute, host, port, refused, visits, sent_bytes, received_bytes)
          select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::int[], $5::text[], $6::bigint[],
            $7::bigint[], $8::bigint[])
          on conflict (session_id, minute, host, port, refused) do update set
            visits = network_visit.visits + excluded.visits,
            sent_bytes = network_visit.sent_bytes + excluded.sent_bytes,
            received_bytes = network_visit.received_bytes + excluded.received_bytes`,
        values: [
          batch.map(({ sessionId }) => sessionUuid(sessionId)),
          batch.map(({ minute }) => minute.toISOString()),
          batch.map(({ host }) => host.slice(0, 253)),
          batch.map(({ port }) => port),
          batch.map(({ why }) => why ?? ''),
          batch.map(({ visits }) => visits),
          batch.map(({ sent }) => sent),
          batch.map(({ received }) => received),
        ],
      })
      if (lost > 0) log.warn({ lost }, 'visits were not noted while the database was away')
      lost = 0
    } catch (error) {
      if (isConnectionError(error)) for (const visit of batch) add(visit)
      else log.error({ error: String(error) }, 'the database refused the notes of visits')
    }
  }

  let writing: Promise<void> | null = null
  const timer = setInterval(() => {
    writing ??= write().finally(() => {
      writing = null
    })
  }, writeEveryMs)

  return {
    note(visit) {
      const minute = new Date()
      minute.setUTCSeconds(0, 0)
      add({ ...visit, minute, visits: 1 })
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await writing
      await write()
    },
  }
}
