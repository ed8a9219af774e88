/** The reconciler of sessions: look, decide, act. All three are elsewhere; this is the loop's one step. */
import { sessionIdOf } from '../../database/columns.ts'
import { createReconciler, type Reconciler } from '../../database/reconciler.ts'
import { decide } from './decide.ts'
import { createEffects, type EffectDependencies } from './effects.ts'
import { lookAtSession } from './facts.ts'

export function createSessionReconciler(
  deps: EffectDependencies & { watchingForMs(): number; hasRoom(): Promise<boolean> },
): Reconciler {
  const { database, links, watchingForMs, agentStartsAtOnce, timers, logger } = deps
  const act = createEffects(deps)
  return createReconciler({
    database,
    table: 'session',
    timers,
    logger,
    async step(claim) {
      const look = await lookAtSession(
        {
          orm: database.orm,
          links,
          watchingForMs,
          agentStartsAtOnce,
          agentStartMs: timers.agentStartMs,
          hasRoom: deps.hasRoom,
        },
        sessionIdOf(claim.key),
      )
      if (!look) return { until: null }
      claim.wakeNo = look.wakeNo
      const action = decide(look.facts, look.now, timers)
      // One line for each decision; waiting and tidying up are not worth one on most days.
      const level = action.do === 'wait' || action.do === 'compact' ? 'debug' : 'info'
      logger[level]({ sessionId: look.session.id, action }, 'session')
      if (action.do === 'wait') return { until: action.until }
      await act(action, claim, look)
      return 'again'
    },
  })
}
