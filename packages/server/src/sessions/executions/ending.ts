/**
 * Stop and delete: everything running and queued is settled in one transaction before the answer; what still runs in
 * a sandbox is ended after it, by the reconciler. Neither can fail because there is nothing to do.
 */
import { CorralError, type ExecutionId, type InterruptResult, type SessionId } from '@corral/protocol'
import { and, asc, eq, inArray, ne, sql } from 'drizzle-orm'
import { sessionIdOf, sessionUuid } from '../../database/columns.ts'
import { gatewayToken } from '../../database/gatewayTables.ts'
import { execution, session } from '../../database/schema.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import { wakeSessions } from '../../database/wake.ts'
import { recordAudit } from '../../identity/audit.ts'
import type { Caller } from '../../identity/caller.ts'
import type { Log } from '../../log/log.ts'
import type { NewEvent } from '../../log/types.ts'
import { findOwned, lockLiving, lockOwned } from '../access.ts'
import { settle } from './settle.ts'

export function createEndings(deps: {
  database: Database
  log: Pick<Log, 'appendIn'>
  wake(): void
  deleted(id: SessionId): void
}) {
  const { database, log, wake } = deps

  async function settleAll(tx: Tx, id: SessionId, only?: ExecutionId): Promise<ExecutionId[]> {
    const open = await tx.orm
      .select({ id: execution.id })
      .from(execution)
      .where(
        and(
          eq(execution.sessionId, id),
          only
            ? and(eq(execution.id, only), eq(execution.state, 'queued'))
            : inArray(execution.state, ['queued', 'running']),
        ),
      )
      .orderBy(asc(execution.queuedSeq))
    const endings: NewEvent[] = []
    for (const { id: executionId } of open) {
      endings.push(...(await settle(tx, { sessionId: id, executionId }, { state: 'interrupted' }, { stopped: false })))
    }
    if (endings.length > 0) await log.appendIn(tx, id, endings)
    await wakeSessions(tx, [id])
    tx.afterCommit(wake)
    return open.map((row) => row.id)
  }

  /** The session's head is locked, and it is known who may. */
  async function bury(tx: Tx, by: Caller, { id, organizationId }: typeof session.$inferSelect): Promise<void> {
    await settleAll(tx, id)
    await tx.orm
      .update(session)
      .set({ state: 'deleted', deletedAt: sql`now()`, shareId: null })
      .where(eq(session.id, id))
    await tx.orm.delete(gatewayToken).where(eq(gatewayToken.sessionId, id))
    await recordAudit(tx, by, { action: 'session.deleted', subject: id, organizationId })
  }

  return {
    async interrupt(caller: Caller, id: SessionId, executionId?: ExecutionId): Promise<InterruptResult> {
      const interrupted = await database.transaction(async (tx) => {
        await lockOwned(tx, caller, id)
        if (executionId) {
          const [named] = await tx.orm
            .select({ id: execution.id })
            .from(execution)
            .where(and(eq(execution.id, executionId), eq(execution.sessionId, id)))
          if (!named) throw new CorralError('execution_not_found')
        }
        return settleAll(tx, id, executionId)
      })
      return {
        success: true,
        killedProcessIds: [],
        failedProcessIds: [],
        interruptedExecutionIds: interrupted,
        message:
          interrupted.length === 0
            ? 'Nothing was running or queued.'
            : `Stopped ${interrupted.length} ${interrupted.length === 1 ? 'execution' : 'executions'}.`,
      }
    },

    async remove(caller: Caller, id: SessionId): Promise<void> {
      const removed = await database.transaction(async (tx) => {
        const row = await lockOwned(tx, caller, id).catch(nullIfNotFound)
        if (row !== null) await bury(tx, caller, row)
        return row !== null
      })
      if (removed) deps.deleted(id)
    },

    /**
     * With its children, and theirs. `session_not_found`, and nothing is deleted, where one of them is not the
     * caller's any more.
     */
    async removeTree(caller: Caller, id: SessionId): Promise<void> {
      const removed = await database.transaction(async (tx) => {
        await findOwned(tx.orm, caller, { sessionId: id })
        const tree = await treeOf(tx, id)
        // Locked in the order of ids, and then looked at: all of it may have changed while we waited.
        for (const one of tree.toSorted()) await lockOwned(tx, caller, one)
        for (const one of tree) await bury(tx, caller, await findOwned(tx.orm, caller, { sessionId: one }))
        return tree
      })
      for (const one of removed) deps.deleted(one)
    },

    async removeAllOf(userId: string, by: Caller): Promise<void> {
      // By the index `session_owner`.
      const theirs = await database.orm
        .select({ id: session.id })
        .from(session)
        .where(and(eq(session.userId, userId), ne(session.state, 'deleted')))
      for (const { id } of theirs) {
        const removed = await database.transaction(async (tx) => {
          const row = await lockLiving(tx, id)
          if (row !== null) await bury(tx, by, row)
          return row !== null
        })
        if (removed) deps.deleted(id)
      }
    },
  }
}

/** How deep children are looked for. */
const maxDepth = 10

/** Children first. A circle ends at `maxDepth`. Each step by `session_parent`. */
async function treeOf(tx: Tx, root: SessionId): Promise<SessionId[]> {
  const { rows } = await tx.client.query<{ id: string }>({
    name: 'session_tree',
    text: `with recursive tree (id, user_id, agent_session_id, depth) as (
             select id, user_id, agent_session_id, 0 from session where id = $1
             union all
             select s.id, s.user_id, s.agent_session_id, depth + 1 from tree
             join session s on s.user_id = tree.user_id and s.parent_agent_session_id = tree.agent_session_id
             where depth < ${maxDepth} and s.state <> 'deleted')
           select id from tree group by id order by min(depth) desc`,
    values: [sessionUuid(root)],
  })
  return rows.map((row) => sessionIdOf(row.id))
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof CorralError && error.reason === 'session_not_found') return null
  throw error
}
