/**
 * The keys that callbacks are signed with: each owner of sessions (a user or an organization) has one that is current,
 * and those it took the place of sign on for a while, so that a receiver can be given the new one in peace.
 */
import { randomBytes } from 'node:crypto'
import { type CallbackKey, type CallbackKeyId, newCallbackKeyId } from '@corral/protocol'
import { and, desc, eq, gt, isNull, notInArray, or, sql } from 'drizzle-orm'
import type { Logger } from 'pino'
import { callbackKey } from '../database/callbackTables.ts'
import type { Database, Orm, Tx } from '../database/transaction.ts'
import { recordAudit } from '../identity/audit.ts'
import type { Caller } from '../identity/caller.ts'
import { requireRole } from '../identity/roles.ts'
import { SealBroken, type Sealing } from '../secrets/sealing.ts'
import type { CallbackTimers } from './decide.ts'

export type CallbackKeys = {
  /** Those that sign for an owner now (`user:<id>` or `organization:<id>`), the current one first. There is always one. */
  active(owner: string): Promise<CallbackKey[]>
  /** The same for the caller, or for an organization that they administer. */
  shown(caller: Caller, organizationId: string | undefined): Promise<CallbackKey[]>
  /** Makes another the current one. */
  rotate(caller: Caller, organizationId: string | undefined): Promise<CallbackKey[]>
}

/** Past this many, the oldest stop signing at once: a header has to stay small however often somebody rotates. */
const maxKeys = 5

export function createCallbackKeys(deps: {
  database: Database
  sealing: Pick<Sealing, 'seal' | 'open'>
  timers: Pick<CallbackTimers, 'callbackKeyMs'>
  logger: Pick<Logger, 'warn'>
}): CallbackKeys {
  const { database, sealing, timers, logger } = deps
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
    return rows.flatMap(({ id, sealed, createdAt, expiresAt }) => {
      const secret = opened(id, sealed)
      if (secret === null) return []
      const until = expiresAt ? { expiresAt: expiresAt.getTime() } : {}
      return [{ keyId: id, secret, createdAt: createdAt.getTime(), ...until }]
    })
  }

  /** Null for what was sealed under another seal key: it is of no use to anybody any more. */
  function opened(id: CallbackKeyId, sealed: Uint8Array): string | null {
    try {
      return sealing.open(sealed, placeOf(id))
    } catch (error) {
      if (!(error instanceof SealBroken)) throw error
      logger.warn({ keyId: id, error }, 'a key of callbacks cannot be opened; another takes its place')
      return null
    }
  }

  async function addCurrent(tx: Tx, owner: string): Promise<CallbackKeyId> {
    const id = newCallbackKeyId()
    const secret = `whsec_${randomBytes(32).toString('base64')}`
    await tx.orm.insert(callbackKey).values({ id, owner, sealed: sealing.seal(secret, placeOf(id)) })
    return id
  }

  async function active(owner: string): Promise<CallbackKey[]> {
    const known = await read(database.orm, owner)
    if (known.some(({ expiresAt }) => expiresAt === undefined)) return known
    return database.transaction(async (tx) => {
      await alone(tx, owner)
      const readable = await read(tx.orm, owner)
      if (!readable.some(({ expiresAt }) => expiresAt === undefined)) {
        await tx.orm.delete(callbackKey).where(and(eq(callbackKey.owner, owner), isNull(callbackKey.expiresAt)))
        await addCurrent(tx, owner)
      }
      return read(tx.orm, owner)
    })
  }

  async function ownerFor(caller: Caller, organizationId: string | undefined): Promise<string> {
    if (organizationId === undefined) return `user:${caller.userId}`
    await requireRole(database.orm, caller, organizationId, 'admin')
    return `organization:${organizationId}`
  }

  return {
    active,
    shown: async (caller, organizationId) => active(await ownerFor(caller, organizationId)),
    async rotate(caller, organizationId) {
      const owner = await ownerFor(caller, organizationId)
      return database.transaction(async (tx) => {
        await alone(tx, owner)
        const kept = (await read(tx.orm, owner)).slice(0, maxKeys - 1).map(({ keyId }) => keyId)
        await tx.orm.delete(callbackKey).where(and(eq(callbackKey.owner, owner), notInArray(callbackKey.id, kept)))
        await tx.orm
          .update(callbackKey)
          .set({ expiresAt: sql`now() + ${timers.callbackKeyMs} * interval '1 ms'` })
          .where(and(eq(callbackKey.owner, owner), isNull(callbackKey.expiresAt)))
        const subject = await addCurrent(tx, owner)
        await recordAudit(tx, caller, {
          action: 'callback_key.rotated',
          subject,
          organizationId: organizationId ?? null,
        })
        return read(tx.orm, owner)
      })
    },
  }
}

/** Those who change the keys of one owner at once do so one after the other. */
async function alone(tx: Tx, owner: string): Promise<void> {
  await tx.client.query(`select pg_advisory_xact_lock(hashtextextended('callback_key ' || $1, 0))`, [owner])
}
