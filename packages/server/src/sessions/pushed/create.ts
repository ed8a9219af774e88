/**
 * A session of an agent that runs elsewhere comes into being: a row of agent kind `external`, without sandbox and
 * executions. Again is the same; what was deleted stays so for 90 days.
 */
import { type AgentSessionId, CorralError, newSessionId, type SessionId } from '@corral/protocol'
import { and, eq, sql } from 'drizzle-orm'
import { session, sessionHead, workspace } from '../../database/schema.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import { ownedBy } from '../access.ts'

export const externalAgent = 'external'
const tombstoneDays = 90

export async function createPushed(database: Database, caller: Caller, agentSessionId: AgentSessionId): Promise<void> {
  const [known] = await database.orm
    .select({ id: session.id })
    .from(session)
    .where(and(eq(session.agentSessionId, agentSessionId), ownedBy(caller)))
  if (known) return
  await database.transaction(async (tx) => {
    await removeOldTombstone(tx, caller, agentSessionId)
    const id = newSessionId()
    const made = await tx.orm
      .insert(session)
      .values({ ...blank, id, userId: caller.userId, botId: caller.botId, agentSessionId })
      .onConflictDoNothing()
      .returning({ id: session.id })
    if (made.length > 0) return addRows(tx, id)
    // Made at the same time, or theirs no more.
    const [theirs] = await tx.orm
      .select({ id: session.id })
      .from(session)
      .where(and(eq(session.agentSessionId, agentSessionId), ownedBy(caller)))
    if (!theirs) throw new CorralError('session_not_found')
  })
}

/** Its workspace is absent; deletion and a life in the cloud find everything where it is for other sessions. */
async function addRows(tx: Tx, id: SessionId): Promise<void> {
  await tx.orm.insert(sessionHead).values({ sessionId: id })
  await tx.orm.insert(workspace).values({ sessionId: id })
}

/** By `session_agent_session`. */
async function removeOldTombstone(tx: Tx, caller: Caller, agentSessionId: AgentSessionId): Promise<void> {
  const gone = await tx.orm
    .delete(session)
    .where(
      and(
        eq(session.userId, caller.userId),
        eq(session.agentSessionId, agentSessionId),
        eq(session.agentKind, externalAgent),
        eq(session.state, 'deleted'),
        sql`${session.deletedAt} < now() - ${tombstoneDays} * interval '1 day'`,
      ),
    )
    .returning({ id: session.id })
  for (const { id } of gone) await tx.orm.delete(sessionHead).where(eq(sessionHead.sessionId, id))
}

const blank = {
  state: 'unprepared',
  agentKind: externalAgent,
  agentVersion: '',
  /** Until a push names it. */
  repository: '',
  configuration: {
    prompt: '',
    mode: '',
    model: '',
    autoCommit: false,
    condenseOnComplete: false,
    shallow: false,
    createdOnPlatform: 'cli',
    counts: { envVars: 0, secrets: 0, setupCommands: 0, mcpServers: 0 },
    hasCallback: false,
  },
  title: '',
} satisfies Partial<typeof session.$inferInsert>
