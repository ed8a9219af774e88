/**
 * Whose API key this is, read from better-auth's table by the hash that better-auth makes of it.
 *
 * better-auth's own `verifyApiKey` also writes: two updates for each call, even with its limits off (1.7.5: three
 * statements, 2.2 ms, and all callers of one key wait for one row). This is one read of a unique index (about
 * 0.2 ms), so nothing is cached, and a key that was revoked, disabled or has expired is refused from then on.
 */
import { defaultKeyHasher } from '@better-auth/api-key'
import type { Scope } from '@corral/protocol'
import type { Pool } from 'pg'
import { botOf } from './bots.ts'
import { scopesOf } from './scopes.ts'

export const apiKeyHash: (key: string) => Promise<string> = defaultKeyHasher

export type KnownKey = { id: string; userId: string; botId: string | null; scopes: readonly Scope[] }

/** Null when there is no such key, or it counts no more. By the index `apikey_key`. */
export async function findApiKey(pool: Pool, key: string): Promise<KnownKey | null> {
  const found = await pool.query<{ id: string; userId: string; permissions: string | null; metadata: string | null }>({
    name: 'find_api_key',
    text: `select k.id, u.id as "userId", k.permissions, k.metadata
           from apikey k join "user" u on u.id = k.reference_id
           where k.key = $1 and k.enabled and (k.expires_at is null or k.expires_at > now())`,
    values: [await apiKeyHash(key)],
  })
  const [row] = found.rows
  if (!row) return null
  return { id: row.id, userId: row.userId, botId: botOf(row.metadata), scopes: scopesOf(row.permissions) }
}
