/** What a viewer is told between replay and live: the state of a session as of one `seq`. */
import { type ConnectedFrame, permissionRequestSchema, questionRequestSchema, type SessionId } from '@corral/protocol'
import { and, asc, eq, inArray, isNull } from 'drizzle-orm'
import { ask } from '../../database/askTables.ts'
import { execution, sandbox, session, sessionHead, workspace } from '../../database/schema.ts'
import type { Orm } from '../../database/transaction.ts'
import { workspaceView } from './sessionViews.ts'

/** Null when the session is deleted. One snapshot, so that all of it agrees with what was replayed. */
export async function connectedState(orm: Orm, id: SessionId): Promise<ConnectedFrame['data'] | null> {
  return orm.transaction(
    async (tx) => {
      const [row] = await tx
        .select({ session, head: sessionHead, workspace, sandbox })
        .from(session)
        .innerJoin(sessionHead, eq(sessionHead.sessionId, session.id))
        .innerJoin(workspace, eq(workspace.sessionId, session.id))
        .leftJoin(sandbox, eq(sandbox.id, session.sandboxId))
        .where(eq(session.id, id))
      if (!row || row.session.state === 'deleted') return null
      const open = await tx
        .select()
        .from(execution)
        .where(and(eq(execution.sessionId, id), inArray(execution.state, ['queued', 'running'])))
        .orderBy(asc(execution.queuedSeq))
      const running = open.find((candidate) => candidate.state === 'running')
      return {
        status: open.length > 0 ? ('busy' as const) : ('idle' as const),
        logId: row.session.logId,
        lastEventId: row.head.lastSeq,
        sandbox: row.sandbox?.state ?? 'stopped',
        workspace: workspaceView(row.workspace),
        execution: running
          ? {
              executionId: running.id,
              startedAt: (running.startedAt ?? running.deliveredAt ?? running.createdAt).toISOString(),
            }
          : null,
        queue: open
          .filter((candidate) => candidate.state === 'queued')
          .map((candidate) => ({ executionId: candidate.id, createdAt: candidate.createdAt.toISOString() })),
        ...(await openAsks(tx, id)),
      }
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )
}

/** Index ask_pending. */
async function openAsks(orm: Pick<Orm, 'select'>, id: SessionId) {
  const rows = await orm
    .select()
    .from(ask)
    .where(and(eq(ask.sessionId, id), eq(ask.state, 'open'), isNull(ask.settledAt)))
    .orderBy(asc(ask.askedAt), asc(ask.id))
  const open = rows.map((row) => ({
    ...row,
    about: {
      executionId: row.executionId,
      askedAt: row.askedAt.toISOString(),
      expiresAt: new Date(row.askedAt.getTime() + row.deadlineMs).toISOString(),
    },
  }))
  return {
    questions: open
      .filter(({ kind }) => kind === 'question')
      .map(({ request, about }) => ({ ...questionRequestSchema.parse(request), ...about })),
    permissions: open
      .filter(({ kind }) => kind === 'permission')
      .map(({ request, about }) => ({ ...permissionRequestSchema.parse(request), ...about })),
  }
}
