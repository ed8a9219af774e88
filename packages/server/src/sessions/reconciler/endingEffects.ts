/** Effects that end something by our own decision: an execution, a preparation, a finalization that took too long. */
import type { FailureReason } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import { execution, sandbox, workspace } from '../../database/schema.ts'
import { settle } from '../executions/settle.ts'
import { failHead } from '../executions/sink.ts'
import { statusEvent } from '../executions/statusEvent.ts'
import type { Action } from './decide.ts'
import type { EffectScope } from './effectScope.ts'
import type { EffectDependencies } from './effects.ts'

export async function fail(deps: EffectDependencies, at: EffectScope, action: Action<'fail'>) {
  const { look } = at
  const { log } = deps
  await at.write(async (tx) => {
    const ending = await settle(
      tx,
      { sessionId: look.session.id, executionId: action.executionId },
      { state: 'failed', reason: action.reason, message: action.message },
      { stopped: look.sandbox === null || look.sandbox.state === 'stopped' },
    )
    await log.appendIn(tx, look.session.id, ending)
  })
}

export async function failPreparation(
  deps: EffectDependencies,
  at: EffectScope,
  action: Omit<Action<'failPreparation'>, 'do'> & { details?: unknown },
) {
  const { look } = at
  const { log } = deps
  const message = look.sandbox?.message ? `${action.message} ${look.sandbox.message}` : action.message
  const failure: { reason: FailureReason; message: string } = { reason: action.reason, message }
  const { details } = action
  await at.write(async (tx) => {
    // The next message tries again from the beginning: no state is a dead end.
    if (look.sandbox?.state === 'stopped') {
      await tx.orm.update(sandbox).set({ attempt: 0 }).where(eq(sandbox.id, look.sandbox.id))
    }
    await tx.orm
      .update(workspace)
      .set({ state: 'failed', ...failure })
      .where(eq(workspace.sessionId, look.session.id))
    const ended = await failHead(tx, look.session.id, { ...failure, details })
    if (ended.length > 0) await log.appendIn(tx, look.session.id, ended)
  })
}

export async function settleStopped(at: EffectScope, { executionId }: Action<'settleStopped'>) {
  await at.write((tx) => tx.orm.update(execution).set({ stoppedAt: sql`now()` }).where(eq(execution.id, executionId)))
}

export async function giveUpFinalization(
  deps: EffectDependencies,
  at: EffectScope,
  { executionId }: Action<'giveUpFinalization'>,
) {
  const { look } = at
  await at.write(async (tx) => {
    await tx.orm.update(execution).set({ finalization: 'done' }).where(eq(execution.id, executionId))
    await deps.callbacks.owe.finalized(tx, executionId)
    await deps.log.appendIn(tx, look.session.id, [
      statusEvent(
        { message: 'Committing and pushing took too long; the work stays in the workspace.', level: 'warning' },
        `finalization:${executionId}`,
        executionId,
      ),
    ])
  })
}
