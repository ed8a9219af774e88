/** Effects on asks: a recorded answer goes to the agent, and what nobody answered in time counts as rejected. */
import type { AskAnswer } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import { ask } from '../../database/askTables.ts'
import { sessionHead } from '../../database/schema.ts'
import { close, closingEvent, named } from '../asks/asks.ts'
import type { Action } from './decide.ts'
import type { EffectScope } from './effectScope.ts'
import type { EffectDependencies } from './effects.ts'

export async function answer(deps: EffectDependencies, at: EffectScope, { askId }: Action<'answer'>) {
  const { look, link } = at
  const { id } = look.session
  if (!link) return
  const [row] = await at.write((tx) =>
    tx.orm.update(ask).set({ sentLink: link.id, sentAt: sql`now()` }).where(named(id, askId)).returning(),
  )
  if (!row?.answer) return
  const params = { session: id, executionId: row.executionId, askId, answer: row.answer }
  await at.send(
    'session.answer',
    () => link.call('session.answer', params, deps.timers.commandMs),
    () => at.sendAgain(ask, named(id, askId)),
  )
}

export async function expireAsk({ log }: EffectDependencies, at: EffectScope, { askId }: Action<'expireAsk'>) {
  const { id } = at.look.session
  await at.write(async (tx) => {
    const [row] = await tx.orm.select().from(ask).where(named(id, askId))
    if (!row) return
    const [closed] = await close(tx, named(id, askId), { state: 'expired', answer: refusal(row) })
    if (!closed) return
    await tx.orm.update(sessionHead).set({ lastProgressAt: sql`now()` }).where(eq(sessionHead.sessionId, id))
    await log.appendIn(tx, id, [closingEvent(closed, 'deadline')])
  })
}

/** With its reason, so that the agent goes on without what it asked for. */
function refusal({ kind, deadlineMs }: typeof ask.$inferSelect): AskAnswer {
  if (kind === 'question') return { kind: 'rejected' }
  const message = `Nobody answered within ${waited(deadlineMs)}. Go on without it.`
  return { kind: 'reply', reply: 'reject', message }
}

const waited = (ms: number): string => (ms < 120_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`)
