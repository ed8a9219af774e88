/**
 * Effects on the sandbox that a session is in, which may be others' sandbox, too. Invariant: what ends all of it is
 * asked for only while the neighbors are as the decision saw them, looked at again under the lock that `deliver` takes.
 */
import { eq, sql } from 'drizzle-orm'
import { session, sessionHead } from '../../database/schema.ts'
import { neighborsOf } from '../placement/neighbors.ts'
import type { Action } from './decide.ts'
import type { EffectScope } from './effectScope.ts'
import type { EffectDependencies } from './effects.ts'

export async function takeSandbox(deps: EffectDependencies, at: EffectScope) {
  const { session: row } = at.look
  await at.write(async (tx) => {
    const sandboxId = await deps.takeSandbox(tx, row)
    await tx.orm.update(session).set({ sandboxId }).where(eq(session.id, row.id))
  })
}

export async function startSandbox(deps: EffectDependencies, at: EffectScope) {
  const sandboxId = at.look.sandbox?.id
  if (!sandboxId) return
  await at.write((tx) => deps.fleet.requestStart(tx, sandboxId))
  deps.wakeSandboxes()
}

export async function stopSandbox(deps: EffectDependencies, at: EffectScope, { unless }: Action<'stopSandbox'>) {
  const sandboxId = at.look.sandbox?.id
  if (!sandboxId) return
  await at.write(async (tx) => {
    if (unless.includes(await neighborsOf(tx.orm, at.look.session))) return
    await deps.fleet.requestStop(tx, sandboxId)
  })
  deps.wakeSandboxes()
}

/** The supervisor was welcomed before this session came; its spool begins with an epoch of its own. */
export async function enterSandbox(deps: EffectDependencies, at: EffectScope) {
  const { look, link } = at
  const { id } = look.session
  if (!link) return
  const [head] = await at.write((tx) =>
    tx.orm
      .update(sessionHead)
      .set({ epoch: sql`${sessionHead.epoch} + 1`, lastN: 0 })
      .where(eq(sessionHead.sessionId, id))
      .returning(),
  )
  if (!head) return
  await at.send(
    'session.assign',
    () => link.call('session.assign', { session: id, epoch: head.epoch, ackedN: 0 }, deps.timers.commandMs),
    at.pause,
  )
}
