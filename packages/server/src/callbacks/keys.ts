/**
 * The keys that callbacks are signed with: each owner of sessions (a user or an organization) has one that is current,
 * and those it took the place of sign on for a while, so that a receiver can be given the new one in peace.
 */
import { randomBytes } from 'node:crypto'
import { type CallbackKey, newCallbackKeyId } from '@corral/protocol'
import { and, desc, eq, gt, isNull, lt, notInArray, or, sql } from 'drizzle-orm'
import { callbackKey } from '../database/schema.ts'
import type { Database, Orm, Tx } from '../database/transaction.ts'
import type { Sealing } from '../secrets/sealing.ts'
import type { CallbackTimers } from './decide.ts'

/** `user:<id>` or `organization:<id>`, as `owe.ts` writes it. */
export type Owner = `user:${string}` | `organization:${string}`

export type CallbackKeys = {
  /** Those that sign now, the current one first. There is always one. */
  active(owner: string): Promise<CallbackKey[]>
  /** Makes another the current one. */
  rotate(owner: Owner): Promise<CallbackKey[]>
}

/** Past this many, the oldest stop signing at once: a header has to stay small however often somebody rotates. */
const maxKeys = 5

export function createCallbackKeys(deps: {
  database: Database
  sealing: Pick<Sealing, 'seal' | 'open'>
  timers: Pick<CallbackTimers, 'callbackKeyMs'>
}): CallbackKeys {
  const { database, sealing, timers } = deps
  const placeOf = (id: string) => ({ table: 'callback_key', id })

  async function read(orm: Orm, owner: string): Promise<CallbackKey[]> {
    const rows = await orm
      .select()
      .from(callbackKey)
      .where(
        and(eq(callbackKey.owner, owner), or(isNull(callbackKey.expiresAt), gt(callbackKey.expiresAt, sql`now()`))),
      )
      .orderBy(desc(sql`${callbackKey.expiresAt} is null`), desc(callbackKey.expiresAt))
      .limit(maxKeys)
    return rows.map(({ id, sealed, createdAt, expiresAt }) => ({
      keyId: id,
      secret: sealing.open(sealed, placeOf(id)),
      createdAt: createdAt.getTime(),
      ...(expiresAt ? { expiresAt: expiresAt.getTime() } : {}),
    }))
  }

  async function addCurrent(tx: Tx, owner: string): Promise<void> {
    const id = newCallbackKeyId()
    const secret = `whsec_${randomBytes(32).toString('base64')}`
    await tx.orm
      .insert(callbackKey)
      .values({ id, owner, sealed: sealing.seal(secret, placeOf(id)) })
      .onConflictDoNothing({ target: callbackKey.owner, where: sql`expires_at is null` })
  }

  return {
    async active(owner) {
      const known = await read(database.orm, owner)
      if (known.some(({ expiresAt }) => expiresAt === undefined)) return known
      return database.transaction(async (tx) => {
        await addCurrent(tx, owner)
        return read(tx.orm, owner)
      })
    },
    rotate: (owner) =>
      database.transaction(async (tx) => {
        // Two that rotate at once do so one after the other, each with a key of its own.
        await tx.client.query(`select pg_advisory_xact_lock(hashtextextended('callback_key ' || $1, 0))`, [owner])
        const signing = await read(tx.orm, owner)
        const kept = signing.slice(0, maxKeys - 1).map(({ keyId }) => keyId)
        const ofOwner = eq(callbackKey.owner, owner)
        await tx.orm.delete(callbackKey).where(and(ofOwner, lt(callbackKey.expiresAt, sql`now()`)))
        if (kept.length > 0) await tx.orm.delete(callbackKey).where(and(ofOwner, notInArray(callbackKey.id, kept)))
        await tx.orm
          .update(callbackKey)
          .set({ expiresAt: sql`now() + ${timers.callbackKeyMs} * interval '1 ms'` })
          .where(and(ofOwner, isNull(callbackKey.expiresAt)))
        await addCurrent(tx, owner)
        return read(tx.orm, owner)
      }),
  }
}
