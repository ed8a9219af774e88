/**
 * Whose session it is, asked at every use: the owner is this user, and for an organization's session the membership
 * stands now. One statement for what is absent, deleted and somebody else's, so that they cannot be told apart.
 */
import { type AgentSessionId, CorralError, type SessionId } from '@corral/protocol'
import { and, eq, isNull, ne, or, sql } from 'drizzle-orm'
import { member } from '../database/identityTables.ts'
import { session, sessionHead } from '../database/schema.ts'
import type { Orm, Tx } from '../database/transaction.ts'
import type { Caller } from '../identity/caller.ts'

/** The condition under which a session is this caller's. */
export const ownedBy = (caller: Caller) =>
  and(
    eq(session.userId, caller.userId),
    ne(session.state, 'deleted'),
    or(
      isNull(session.organizationId),
      sql`exists (select 1 from ${member} where ${member.userId} = ${caller.userId}
        and ${member.organizationId} = ${session.organizationId})`,
    ),
  )

/** By our id, or by its agent's, which is unique among those of one user. */
export type SessionName = { sessionId: SessionId } | { agentSessionId: AgentSessionId }

export const named = (which: SessionName) =>
  'sessionId' in which ? eq(session.id, which.sessionId) : eq(session.agentSessionId, which.agentSessionId)

export async function findOwned(orm: Orm, caller: Caller, which: SessionName): Promise<typeof session.$inferSelect> {
  const [row] = await orm
    .select()
    .from(session)
    .where(and(named(which), ownedBy(caller)))
  if (!row) throw new CorralError('session_not_found')
  return row
}

/**
 * The same for a change: the lock of the session's head, and then the look at who may, since that may have ended while
 * we waited. Only the owner gets the lock, so nobody else can hold a session up, or learn from waiting that it is busy.
 */
export async function lockOwned(tx: Tx, caller: Caller, id: SessionId): Promise<typeof session.$inferSelect> {
  const [locked] = await tx.orm
    .select({ id: sessionHead.sessionId })
    .from(sessionHead)
    .innerJoin(session, eq(session.id, sessionHead.sessionId))
    .where(and(eq(session.id, id), ownedBy(caller)))
    .for('no key update', { of: sessionHead })
  if (!locked) throw new CorralError('session_not_found')
  return findOwned(tx.orm, caller, { sessionId: id })
}

/** The same whosever it is, for who removes its user. Null when it is gone. */
export async function lockLiving(tx: Tx, id: SessionId): Promise<typeof session.$inferSelect | null> {
  await tx.orm
    .select({ id: sessionHead.sessionId })
    .from(sessionHead)
    .where(eq(sessionHead.sessionId, id))
    .for('no key update')
  const [row] = await tx.orm
    .select()
    .from(session)
    .where(and(eq(session.id, id), ne(session.state, 'deleted')))
  return row ?? null
}
