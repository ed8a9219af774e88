/**
 * One active server per database: it holds the row `server(term, until)`, renews it, and every writing transaction
 * checks the term. Another process on the same database waits as a stand-by until the row is free.
 * Source: 10-engine "One active server per database".
 */
import type { Pool } from 'pg'
import type { Logger } from 'pino'

export type Term = {
  /** Null while this process may not write. */
  current(): number | null
  /** How long ago the database last came back from an outage; Infinity when it never was away. */
  sinceOutageMs(): number
  /** Gives the row up, so that the next server need not wait. */
  release(): Promise<void>
}

/**
 * Resolves once the term is ours. `atOnce`: this process holds the lock of the data folder and runs its embedded
 * PostgreSQL, so no other server can be alive.
 */
export async function takeTerm(options: {
  pool: Pool
  atOnce: boolean
  timers: { serverTermMs: number; serverTermRenewMs: number }
  /** Another server has taken over: this one must stop writing. */
  lost(): void
  logger: Logger
}): Promise<Term> {
  const { pool, atOnce, timers, lost, logger } = options
  let term: number | null = null
  let outage = false
  let outageEndedAt = Number.NEGATIVE_INFINITY

  for (let waiting = false; term === null; waiting = true) {
    if (waiting) await new Promise((resolve) => setTimeout(resolve, Math.min(1_000, timers.serverTermMs)))
    term = await take(pool, atOnce, timers.serverTermMs)
    if (term === null && !waiting) logger.info('another server is active on this database; waiting as a stand-by')
  }

  const renewal = setInterval(() => void renew(), timers.serverTermRenewMs)

  async function renew(): Promise<void> {
    if (term === null) return
    try {
      const { rowCount } = await pool.query(`update server set until = now() + $2 * interval '1 ms' where term = $1`, [
        term,
        timers.serverTermMs,
      ])
      if (outage) {
        outage = false
        outageEndedAt = performance.now()
        logger.info('the database is back')
      }
      if (rowCount === 0) {
        term = null
        clearInterval(renewal)
        lost()
      }
    } catch (error) {
      if (!outage) logger.warn({ error }, 'the database is away')
      outage = true
    }
  }

  return {
    current: () => term,
    sinceOutageMs: () => (outage ? 0 : performance.now() - outageEndedAt),
    async release() {
      clearInterval(renewal)
      const held = term
      term = null
      if (held !== null) await pool.query('update server set until = now() where term = $1', [held])
    },
  }
}

async function take(pool: Pool, atOnce: boolean, termMs: number): Promise<number | null> {
  await pool.query(
    `insert into server (term, until) select 0, now() where not exists (select 1 from server) on conflict do nothing`,
  )
  const { rows } = await pool.query<{ term: number }>(
    `update server set term = term + 1, until = now() + $1 * interval '1 ms' where until <= now() or $2 returning term`,
    [termMs, atOnce],
  )
  return rows[0]?.term ?? null
}
