/**
 * Tokens of others that are kept a while: in this process, and sealed in the database, so that the next gateway has
 * them, too. A database that is away costs a new token and no call.
 */
import type { Pool } from 'pg'
import { isConnectionError } from '../database/connect.ts'
import { SealBroken, type Sealing } from '../secrets/sealing.ts'

export type TokenCache = {
  /** Null when there is none, or none that is still good. */
  get(key: string): Promise<string | null>
  set(key: string, value: string): Promise<void>
  drop(key: string): Promise<void>
}

/** Tokens are some hundred bytes each. */
const maxKept = 10_000

export function createTokenCache({
  pool,
  sealing,
  keepMs,
}: {
  pool: Pool
  sealing: Sealing
  keepMs: number
}): TokenCache {
  const kept = new Map<string, { value: string; until: number }>()
  const placeOf = (key: string) => ({ table: 'token_cache', id: key })

  function keep(key: string, value: string, forMs: number): void {
    kept.delete(key)
    kept.set(key, { value, until: performance.now() + forMs })
    const oldest = kept.keys().next().value
    if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest)
  }

  return {
    async get(key) {
      const known = kept.get(key)
      if (known && known.until > performance.now()) return known.value
      kept.delete(key)
      const row = await unlessAway(() => readRow(pool, key))
      if (!row) return null
      try {
        const value = sealing.open(row.sealed, placeOf(key))
        keep(key, value, row.left_ms)
        return value
      } catch (error) {
        // It was sealed under a key that is no longer ours; a new one takes its place.
        if (error instanceof SealBroken) return null
        throw error
      }
    },
    async set(key, value) {
      keep(key, value, keepMs)
      await unlessAway(() => writeRow(pool, { key, sealed: sealing.seal(value, placeOf(key)), keepMs }))
    },
    async drop(key) {
      kept.delete(key)
      await unlessAway(() => pool.query('delete from token_cache where key = $1', [key]))
    },
  }
}

type Row = { sealed: Buffer; left_ms: number }

/** By `token_cache_pkey`. */
async function readRow(pool: Pool, key: string): Promise<Row | undefined> {
  const { rows } = await pool.query<Row>({
    name: 'gateway_token_cache_read',
    text: `
      select sealed, (extract(epoch from expires_at - now()) * 1000)::float8 as left_ms
      from token_cache where key = $1 and expires_at > now()`,
    values: [key],
  })
  return rows[0]
}

/** By `token_cache_pkey` and `token_cache_expiry`: what has expired goes with the next that comes. */
async function writeRow(pool: Pool, row: { key: string; sealed: Buffer; keepMs: number }): Promise<void> {
  await pool.query({
    name: 'gateway_token_cache_write',
    text: `
      with expired as (delete from token_cache where expires_at <= now() and key <> $1)
      insert into token_cache (key, sealed, expires_at) values ($1, $2, now() + $3 * interval '1 ms')
      on conflict (key) do update set sealed = excluded.sealed, expires_at = excluded.expires_at`,
    values: [row.key, row.sealed, row.keepMs],
  })
}

async function unlessAway<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask()
  } catch (error) {
    if (isConnectionError(error)) return null
    throw error
  }
}
