/** What leaves the database: the deltas of an execution that has stopped, and everything of a session that was deleted. */
import { and, eq, sql } from 'drizzle-orm'
import {
  ask,
  blob,
  budget,
  event,
  execution,
  message,
  networkVisit,
  part,
  pushedItem,
  session,
  sessionInfo,
  sessionSecret,
  workspace,
} from '../database/schema.ts'
import type { Action } from './decide.ts'
import type { EffectScope } from './effectScope.ts'
import type { EffectDependencies } from './effects.ts'

export async function compact(deps: EffectDependencies, at: EffectScope, { executionId }: Action<'compact'>) {
  const { look } = at
  const { log, logger } = deps
  const deltas = await at.write(async (tx) => {
    const gone = await log.compactIn(tx, { sessionId: look.session.id, executionId })
    await tx.orm.update(execution).set({ compactedAt: sql`now()` }).where(eq(execution.id, executionId))
    return gone
  })
  logger.debug({ sessionId: look.session.id, executionId, deltas }, 'compacted')
}

/**
 * Everything of a deleted session goes; its row stays as a tombstone, so that nothing late brings it back,
 * and so does its sandbox's, whose host user is never given again.
 */
export async function remove(deps: EffectDependencies, at: EffectScope) {
  const { look } = at
  const { id } = look.session
  if (look.sandbox) await deps.removeSandbox(look.sandbox.id)
  await deps.removeCheckpoint(id)
  await deps.callbacks.fixBodies(id)
  await at.write(async (tx) => {
    await tx.orm.delete(event).where(eq(event.sessionId, id))
    await tx.orm.delete(part).where(eq(part.sessionId, id))
    await tx.orm.delete(message).where(eq(message.sessionId, id))
    await tx.orm.delete(ask).where(eq(ask.sessionId, id))
    await tx.orm.delete(blob).where(eq(blob.sessionId, id))
    await tx.orm.delete(pushedItem).where(eq(pushedItem.sessionId, id))
    await tx.orm.delete(sessionInfo).where(eq(sessionInfo.sessionId, id))
    await tx.orm.delete(execution).where(eq(execution.sessionId, id))
    await tx.orm.delete(networkVisit).where(eq(networkVisit.sessionId, id))
    await tx.orm.delete(sessionSecret).where(eq(sessionSecret.sessionId, id))
    await tx.orm.delete(workspace).where(eq(workspace.sessionId, id))
    await tx.orm.delete(budget).where(and(eq(budget.scope, 'session'), eq(budget.scopeId, id)))
    await tx.orm
      .update(session)
      .set({
        sandboxId: null,
        title: '',
        gitBranch: null,
        status: null,
        configuration: { ...look.session.configuration, prompt: '' },
      })
      .where(eq(session.id, id))
  })
}
