/**
 * Effects that are commands to the supervisor: the row first says on which link the command is sent, then it is sent.
 * What did not arrive is due again; the end of each comes as an event.
 */
import type { SessionId } from '@corral/protocol'
import { and, eq, isNotNull, sql } from 'drizzle-orm'
import { execution, workspace } from '../../database/schema.ts'
import type { Orm } from '../../database/transaction.ts'
import { CommandRefused } from '../../supervisors/link.ts'
import { CannotRun, orCannotRun } from '../configuration/cannotRun.ts'
import { takeAgentStart } from './agentStarts.ts'
import type { Action } from './decide.ts'
import type { EffectScope } from './effectScope.ts'
import type { EffectDependencies } from './effects.ts'
import { failPreparation } from './endingEffects.ts'

export async function prepareWorkspace(
  deps: EffectDependencies,
  at: EffectScope,
  { again }: Action<'prepareWorkspace'>,
) {
  const { look, link } = at
  const { database, commands, timers } = deps
  if (!link) return
  const attempt = again ? look.workspace.attempt : look.workspace.attempt + 1
  await at.write((tx) =>
    tx.orm
      .update(workspace)
      .set({
        state: 'preparing',
        attempt,
        sentLink: link.id,
        preparingSince: again ? look.workspace.preparingSince : sql`now()`,
        step: null,
        reason: null,
        message: null,
      })
      .where(eq(workspace.sessionId, look.session.id)),
  )
  await at.send(
    'session.prepare',
    async () => {
      const first = !(await hasEnded(database.orm, look.session.id))
      const params = await orCannotRun(() => commands.prepare(look, attempt, { first }))
      if (params instanceof CannotRun) {
        return failPreparation(deps, at, params.failure)
      }
      return link.call('session.prepare', params, timers.commandMs)
    },
    () => at.sendAgain(workspace, eq(workspace.sessionId, look.session.id)),
  )
}

/** Whether an execution of the session is over. */
async function hasEnded(orm: Orm, id: SessionId): Promise<boolean> {
  const ended = await orm
    .select({ id: execution.id })
    .from(execution)
    .where(and(eq(execution.sessionId, id), isNotNull(execution.endedAt)))
    .limit(1)
  return ended.length > 0
}

export async function interrupt(deps: EffectDependencies, at: EffectScope, { executionId }: Action<'interrupt'>) {
  const { look, link } = at
  const target = look.facts.ending.find((candidate) => candidate.id === executionId)
  if (!link || !target) return
  await at.write((tx) => tx.orm.update(execution).set({ sentLink: link.id }).where(eq(execution.id, executionId)))
  await at.send(
    'session.interrupt',
    () =>
      link.call(
        'session.interrupt',
        { session: look.session.id, executionId, attempt: Math.max(1, target.attempt) },
        deps.timers.commandMs,
      ),
    () => at.sendAgain(execution, eq(execution.id, executionId)),
  )
}

export async function finalize(deps: EffectDependencies, at: EffectScope, { executionId }: Action<'finalize'>) {
  const { look, link } = at
  const { database, commands, timers } = deps
  if (!link) return
  const [row] = await database.orm.select().from(execution).where(eq(execution.id, executionId))
  if (!row) return
  await at.write((tx) => tx.orm.update(execution).set({ sentLink: link.id }).where(eq(execution.id, executionId)))
  await at.send(
    'session.finalize',
    async () => link.call('session.finalize', await commands.finalize(look, row), timers.commandMs),
    () => at.sendAgain(execution, eq(execution.id, executionId)),
  )
}

/** What goes wrong with it is no loss: the first message starts the agent then. */
export async function warmAgent(deps: EffectDependencies, at: EffectScope) {
  const { look, link } = at
  const { commands, timers } = deps
  const space = eq(workspace.sessionId, look.session.id)
  if (!link) return
  const again = look.workspace.warmUp === 'running'
  const begun = await at.write(async (tx) => {
    const limits = { agentStartsAtOnce: deps.agentStartsAtOnce, waits: false, ...timers }
    if (!again && !(await takeAgentStart(tx, limits))) return false
    const since = again ? {} : { warmingSince: sql`now()`, agentUntil: null }
    await tx.orm
      .update(workspace)
      .set({ warmUp: 'running', sentLink: link.id, ...since })
      .where(space)
    return true
  })
  if (!begun) return
  // Unless a change of the configuration has made it due again.
  const mine = and(space, eq(workspace.warmUp, 'running'))
  const giveUp = () => at.write((tx) => tx.orm.update(workspace).set({ warmUp: 'over' }).where(mine))
  await at.send(
    'session.warm',
    async () => {
      const opened = await orCannotRun(() => commands.open(look))
      if (opened instanceof CannotRun) return giveUp()
      const params = await commands.warm(look, opened)
      if (!(await isTaken(link.call('session.warm', params, timers.commandMs)))) await giveUp()
    },
    () => at.sendAgain(workspace, space),
  )
}

export async function stopAgent(deps: EffectDependencies, at: EffectScope) {
  const { look, link } = at
  const space = eq(workspace.sessionId, look.session.id)
  if (!link) return
  await at.send(
    'session.stopAgent',
    async () => {
      await isTaken(link.call('session.stopAgent', { session: look.session.id }, deps.timers.commandMs))
      await at.write((tx) => tx.orm.update(workspace).set({ agentUntil: null }).where(space))
    },
    () => at.sendAgain(workspace, space),
  )
}

/** False when the supervisor will not do it. */
const isTaken = (answer: Promise<unknown>): Promise<boolean> =>
  answer.then(
    () => true,
    (error: unknown) => {
      if (error instanceof CommandRefused) return false
      throw error
    },
  )
