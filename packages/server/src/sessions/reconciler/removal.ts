/** What leaves the database: the deltas of an execution that has stopped, and everything of a session that was deleted. */
import { and, eq, sql } from 'drizzle-orm'
import { ask, suggestion } from '../../database/askTables.ts'
import { attachment } from '../../database/attachmentTables.ts'
import { budget, networkVisit } from '../../database/gatewayTables.ts'
import { event, execution, sandbox, session, sessionSecret, workspace } from '../../database/schema.ts'
import type { Tx } from '../../database/transaction.ts'
import { blob, message, part, pushedItem, sessionInfo } from '../../database/transcriptTables.ts'
import { neighborsOf } from '../placement/neighbors.ts'
import { placesOf } from '../placement/places.ts'
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
 * The files of a session, and with its last session those of the sandbox. Out of a sandbox that others are in, the
 * supervisor takes them, and ends what runs of the session. False when something is left: to be asked again.
 */
export async function removeFiles(deps: EffectDependencies, at: EffectScope): Promise<boolean> {
  const { look, link } = at
  const { id } = look.session
  if (!look.sandbox) return true
  const sandboxId = look.sandbox.id
  if (look.sandbox.state === 'stopped') {
    return at.write(async (tx) => {
      const stopped = and(eq(sandbox.id, sandboxId), eq(sandbox.state, 'stopped'))
      // A neighbor may have started it meanwhile.
      if ((await tx.orm.select({ id: sandbox.id }).from(sandbox).where(stopped)).length === 0) return false
      const alone = (await neighborsOf(tx.orm, look.session)) === 'none'
      await deps.fleet.discard(tx, sandboxId, alone ? 'all' : { id, ...placesOf(look.session) })
      return true
    })
  }
  let released = false
  await at.send(
    'session.release',
    async () => {
      released = (await link?.call('session.release', { session: id }, deps.timers.commandMs))?.released ?? false
    },
    async () => {},
  )
  if (!released) await at.pause()
  return released
}

export async function remove(deps: EffectDependencies, at: EffectScope) {
  const { session: row } = at.look
  if (!(await removeFiles(deps, at))) return
  await deps.removeCheckpoint(row.id)
  await deps.callbacks.fixBodies(row.id)
  await at.write((tx) => removeRows(tx, row))
}

/**
 * Everything of a deleted session goes; its row stays as a tombstone, so that nothing late brings it back,
 * and so does its sandbox's, whose host user is never given to others.
 */
async function removeRows(tx: Tx, { id, configuration }: typeof session.$inferSelect): Promise<void> {
  await tx.orm.delete(event).where(eq(event.sessionId, id))
  await tx.orm.delete(part).where(eq(part.sessionId, id))
  await tx.orm.delete(message).where(eq(message.sessionId, id))
  await tx.orm.delete(ask).where(eq(ask.sessionId, id))
  await tx.orm.delete(suggestion).where(eq(suggestion.sessionId, id))
  await tx.orm.delete(attachment).where(eq(attachment.sessionId, id))
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
      configuration: { ...configuration, prompt: '' },
    })
    .where(eq(session.id, id))
}
