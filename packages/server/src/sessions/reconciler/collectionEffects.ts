/**
 * Collection: the files of sessions that nobody needs now are removed, the longest untouched first. Invariant: to make
 * room, only what its checkpoint brings back is taken, and only from sessions without work.
 */
import { and, eq, sql } from 'drizzle-orm'
import { checkpoint } from '../../database/checkpointTable.ts'
import { execution, session, workspace } from '../../database/schema.ts'
import type { Orm } from '../../database/transaction.ts'
import { wakeSessions } from '../../database/wake.ts'
import { statusEvent } from '../executions/statusEvent.ts'
import type { Room } from './collection.ts'
import type { Action } from './decide.ts'
import type { EffectScope } from './effectScope.ts'
import type { EffectDependencies } from './effects.ts'
import { removeFiles } from './removal.ts'

/** Then the disk is looked at again. */
const atOnce = 4

/** A sandbox of its own, a whole checkpoint that is newer than its last turn, and nothing to do. */
const isCollectable = sql`
  ${workspace.state} in ('ready', 'failed') and ${session.state} = 'open' and ${checkpoint.content} @> '{"complete": true}'
  and not exists (select 1 from ${session} other where other.sandbox_id = ${session.sandboxId} and other.id <> ${session.id}
    and other.state <> 'deleted')
  and not exists (select 1 from ${execution} work where work.session_id = ${session.id} and (work.state in ('queued', 'running')
    or work.finalization = 'pending' or (work.stopped_at is null and work.delivered_at is not null)
    or work.ended_at > ${checkpoint.madeAt}))`

/** Asked only when the disk is too full. */
export async function roomOn(orm: Orm): Promise<Exclude<Room, 'enough'>> {
  const [coming] = await orm
    .select({ id: workspace.sessionId })
    .from(workspace)
    .where(eq(workspace.state, 'collecting'))
    .limit(1)
  if (coming) return 'coming'
  const [found] = await collectable(orm).limit(1)
  return found ? 'collectable' : 'none'
}

const collectable = (orm: Orm) =>
  orm
    .select({ id: workspace.sessionId })
    .from(workspace)
    .innerJoin(session, eq(session.id, workspace.sessionId))
    .innerJoin(checkpoint, eq(checkpoint.sessionId, workspace.sessionId))
    .where(isCollectable)
    .orderBy(session.activity)
    .$dynamic()

/** Others' reconcilers do it; they are woken. */
export async function makeRoom({ logger }: EffectDependencies, at: EffectScope) {
  await at.write(async (tx) => {
    const chosen = await collectable(tx.orm).limit(atOnce).for('update', { of: workspace, skipLocked: true })
    const ids = chosen.map(({ id }) => id)
    for (const id of ids) {
      await tx.orm.update(workspace).set({ state: 'collecting' }).where(eq(workspace.sessionId, id))
    }
    await wakeSessions(tx, ids)
    logger.info({ sessions: ids }, 'collecting workspaces, since the disk is too full')
  })
}

export async function waitForRoom(deps: EffectDependencies, at: EffectScope) {
  const { next } = at.look.facts
  if (!next) return
  await at.write(async (tx) => {
    await tx.orm
      .update(execution)
      .set({ waitsForRoomSince: sql`now()` })
      .where(and(eq(execution.id, next.id), eq(execution.state, 'queued')))
    const message = 'The disk is too full for new work; waiting for room.'
    await deps.log.appendIn(tx, at.look.session.id, [
      statusEvent({ message, level: 'warning' }, `room:${next.id}`, next.id),
    ])
  })
}

/** Done again after a crash at any point, it comes to the same. */
export async function collect(deps: EffectDependencies, at: EffectScope, { checkpointToo }: Action<'collect'>) {
  const { look } = at
  const { id } = look.session
  if (!(await removeFiles(deps, at))) return
  if (checkpointToo) await deps.removeCheckpoint(id)
  await at.write((tx) =>
    tx.orm
      .update(workspace)
      .set({
        ...{ state: 'absent', readyBoot: null, agentUntil: null, step: null, reason: null, message: null },
        // The next checkout begins where the repository is by then.
        ...(checkpointToo && { branch: null, baseCommit: null, headCommit: null }),
      })
      .where(eq(workspace.sessionId, id)),
  )
  deps.logger.info({ sessionId: id, checkpointToo }, 'collected')
}
