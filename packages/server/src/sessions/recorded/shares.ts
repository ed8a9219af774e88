/**
 * A session that anybody may read who has its link. The link's token names a share and is signed over session, share
 * and purpose; unsharing or deleting the session ends every token that was given before.
 */
import { createHmac, randomUUID } from 'node:crypto'
import { CorralError, type SessionId } from '@corral/protocol'
import { and, eq, ne } from 'drizzle-orm'
import { user } from '../../database/identityTables.ts'
import { session } from '../../database/schema.ts'
import type { Database } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import { sameSecret } from '../../identity/sameSecret.ts'
import { lockOwned } from '../access.ts'

export type Shared = { session: typeof session.$inferSelect; ownerName: string }

export type Shares = {
  /** The token; the same one until it is unshared. */
  share(caller: Caller, id: SessionId): Promise<string>
  unshare(caller: Caller, id: SessionId): Promise<void>
  /** Of who may see the session; null when it is not shared. */
  tokenOf(row: Pick<typeof session.$inferSelect, 'id' | 'shareId'>): string | null
  /** `session_not_found` for a token that is none, or none any more. */
  find(token: string): Promise<Shared>
}

export function createShares(deps: { database: Database; key: Uint8Array }): Shares {
  const { database, key } = deps

  function tokenOf(id: SessionId, shareId: string): string {
    const mac = createHmac('sha256', key).update(`share ${id} ${shareId}`).digest('base64url')
    return `${shareId.replaceAll('-', '')}.${mac}`
  }

  return {
    tokenOf: ({ id, shareId }) => (shareId === null ? null : tokenOf(id, shareId)),
    share: (caller, id) =>
      database.transaction(async (tx) => {
        const { shareId } = await lockOwned(tx, caller, id)
        if (shareId !== null) return tokenOf(id, shareId)
        const made = randomUUID()
        await tx.orm.update(session).set({ shareId: made }).where(eq(session.id, id))
        return tokenOf(id, made)
      }),

    unshare: (caller, id) =>
      database.transaction(async (tx) => {
        const { shareId } = await lockOwned(tx, caller, id)
        if (shareId === null) return
        await tx.orm.update(session).set({ shareId: null }).where(eq(session.id, id))
      }),

    async find(token) {
      const absent = () => new CorralError('session_not_found')
      const hex = /^([0-9a-f]{32})\.[\w-]{43}$/.exec(token)?.[1]
      if (hex === undefined) throw absent()
      const shareId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
      // By `session_share`.
      const [found] = await database.orm
        .select({ session, ownerName: user.name })
        .from(session)
        .innerJoin(user, eq(user.id, session.userId))
        .where(and(eq(session.shareId, shareId), ne(session.state, 'deleted')))
      if (!found || !sameSecret(token, tokenOf(found.session.id, shareId))) throw absent()
      return found
    },
  }
}
