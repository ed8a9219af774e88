/**
 * A session that was pushed becomes one that runs here: the same ids, log and transcript, and from now on one writer, its
 * supervisor. What a push has fixed stays fixed.
 */
import { type AgentSessionId, CorralError, invalidInput, type SessionId } from '@corral/protocol'
import { and, eq, sql } from 'drizzle-orm'
import { session } from '../../database/schema.ts'
import type { Tx } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import { lockOwned, ownedBy } from '../access.ts'
import { externalAgent } from './create.ts'

type SessionRow = typeof session.$inferSelect
type Content = Omit<typeof session.$inferInsert, 'id' | 'userId' | 'agentSessionId'>

/** Null when it is none of the caller's pushed sessions. */
export async function adopt(
  tx: Tx,
  caller: Caller,
  ids: { id: SessionId; agentSessionId: AgentSessionId },
  content: Content,
): Promise<SessionRow | null> {
  const isPushed = and(
    eq(session.id, ids.id),
    eq(session.agentSessionId, ids.agentSessionId),
    eq(session.agentKind, externalAgent),
    eq(session.state, 'unprepared'),
  )
  const [pushed] = await tx.orm
    .select({ id: session.id })
    .from(session)
    .where(and(isPushed, ownedBy(caller)))
  if (!pushed) return null
  const row = await lockOwned(tx, caller, ids.id)
  if (row.repository !== '' && row.repository !== content.repository) {
    throw invalidInput('gitUrl', `is not the repository of this session, which is ${row.repository}`)
  }
  if (row.organizationId !== null && content.organizationId && row.organizationId !== content.organizationId) {
    throw new CorralError('session_not_found')
  }
  const [adopted] = await tx.orm
    .update(session)
    .set({
      ...content,
      preparedAt: sql`now()`,
      initiatedAt: content.state === 'open' ? sql`now()` : null,
      organizationId: row.organizationId ?? content.organizationId,
      title: row.title || content.title,
      status: null,
    })
    .where(isPushed)
    .returning()
  return adopted ?? null
}
