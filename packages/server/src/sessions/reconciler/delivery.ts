/**
 * Delivery: an execution leaves the queue and is handed to the supervisor, again on each new link while it runs. What a
 * supervisor refuses is mended or ends the execution; what had been begun is never handed out as new.
 */
import { and, eq, sql } from 'drizzle-orm'
import { execution, workspace } from '../../database/schema.ts'
import { CommandRefused } from '../../supervisors/link.ts'
import { CannotRun, orCannotRun } from '../configuration/cannotRun.ts'
import { type Ending, settle } from '../executions/settle.ts'
import { statusEvent } from '../executions/statusEvent.ts'
import { takeAgentStart } from './agentStarts.ts'
import type { Action } from './decide.ts'
import type { EffectScope } from './effectScope.ts'
import type { EffectDependencies } from './effects.ts'
import { warmingUntil } from './warmth.ts'

/** How often an execution is handed to a supervisor that has lost its workspace. */
const deliveryAttempts = 3

export async function deliver(deps: EffectDependencies, at: EffectScope, { executionId }: Action<'deliver'>) {
  const { look, link } = at
  const { log, commands, timers, logger } = deps
  const boot = look.sandbox
  if (!link || !boot) return
  const first = look.facts.running === null
  // Read while the row is written. Its failure is met where it is awaited, if it comes to that.
  const opened = orCannotRun(() => commands.open(look))
  opened.catch(() => undefined)
  const row = await at.write(async (tx, box) => {
    // The sandbox may be on its way to stop; under its lock it either is ready, or this is put off.
    if (box?.state !== 'ready' || box.bootId !== boot.bootId) return null
    const { workspace: space } = look.facts
    const startsAgent = first && space.agentUntil === null && warmingUntil(space, look.now, timers) === null
    const limits = { agentStartsAtOnce: deps.agentStartsAtOnce, waits: true, ...timers }
    if (startsAgent && !(await takeAgentStart(tx, limits))) return null
    const [delivered] = await tx.orm
      .update(execution)
      .set({
        state: 'running',
        attempt: sql`greatest(${execution.attempt}, 1)`,
        sentLink: link.id,
        deliveredAt: sql`coalesce(${execution.deliveredAt}, now())`,
        ...(first && { startsAgent }),
      })
      .where(and(eq(execution.id, executionId), eq(execution.state, first ? 'queued' : 'running')))
      .returning()
    if (!delivered) return null
    await tx.orm.update(workspace).set({ agentUntil: null }).where(eq(workspace.sessionId, look.session.id))
    if (first) {
      const waitedMs = Math.max(0, look.now.getTime() - delivered.createdAt.getTime())
      await log.appendIn(tx, look.session.id, [
        statusEvent(
          { message: 'Left the queue', step: 'queue_wait', state: 'ok', durationMs: waitedMs, attempt: 1 },
          `step:${executionId}:queue_wait`,
          executionId,
        ),
      ])
    }
    return delivered
  })
  if (!row) return
  try {
    const access = await opened
    if (access instanceof CannotRun) {
      return await endDelivered(deps, at, row, { state: 'failed', ...access.failure })
    }
    await link.call('session.execute', await commands.execute(look, access, row), timers.commandMs)
  } catch (error) {
    logger.warn(
      { sessionId: look.session.id, executionId, error: deps.redactText(look.session.id, String(error)) },
      'an execution was not accepted',
    )
    if (error instanceof CommandRefused) await undeliver(deps, at, row, error)
    else await at.sendAgain(execution, eq(execution.id, executionId))
  }
}

/** Nothing of it runs: the supervisor did not take it. */
function endDelivered(deps: EffectDependencies, at: EffectScope, row: typeof execution.$inferSelect, ending: Ending) {
  const { id } = at.look.session
  return at.write(async (tx) => {
    await deps.log.appendIn(tx, id, await settle(tx, { sessionId: id, executionId: row.id }, ending, { stopped: true }))
  })
}

/** The supervisor will not run it as things are: what can be mended is, and anything else ends it. */
async function undeliver(
  deps: EffectDependencies,
  at: EffectScope,
  row: typeof execution.$inferSelect,
  refused: CommandRefused,
) {
  const { id } = at.look.session
  const end = (ending: Ending) => endDelivered(deps, at, row, ending)
  switch (refused.refusal) {
    case 'busy':
      return at.sendAgain(execution, eq(execution.id, row.id))
    case 'interrupted':
      return end({ state: 'interrupted' })
    case 'diskFull':
      return end({ state: 'failed', reason: 'disk_full' })
    case 'notPrepared':
    case 'unknownSession': {
      // It had been begun, and what knew of it is lost: it is not run again by itself.
      if (row.startedAt) return end({ state: 'failed', reason: 'agent_restarted' })
      if (row.attempt >= deliveryAttempts) return end({ state: 'failed', reason: 'workspace_setup_failed' })
      return at.write(async (tx) => {
        await tx.orm
          .update(execution)
          .set({ state: 'queued', attempt: row.attempt + 1, deliveredAt: null, sentLink: null })
          .where(and(eq(execution.id, row.id), eq(execution.state, 'running')))
        await tx.orm.update(workspace).set({ state: 'absent' }).where(eq(workspace.sessionId, id))
      })
    }
    default:
      return end({ state: 'failed', reason: 'agent_unavailable', message: deps.redactText(id, refused.message) })
  }
}
