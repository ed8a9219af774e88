/**
 * Whether an agent is on its way before anybody waits for it: pure, over a session's workspace and a clock. Invariant: a
 * prepared session's agent is started once for each configuration; then it may go idle like any other.
 */
import type { Timers } from '../../config.ts'
import type { SessionAction, SessionFacts } from './decide.ts'

/** What is to be done until a prepared session is warm; null when it is, or will not be. */
export function untilWarm(
  { workspace, link, mayStartAgent }: SessionFacts,
  now: Date,
  timers: Timers,
): SessionAction | null {
  if (workspace.warmUp === 'due') {
    return mayStartAgent ? { do: 'warmAgent' } : { do: 'wait', until: new Date(now.getTime() + timers.agentTurnMs) }
  }
  const until = warmingUntil(workspace, now, timers)
  if (until === null) return null
  return workspace.sentLink === link?.id ? { do: 'wait', until } : { do: 'warmAgent' }
}

/** Null when none goes on, or nothing is heard of it any more. */
export function warmingUntil(
  { warmUp, warmingSince }: Pick<SessionFacts['workspace'], 'warmUp' | 'warmingSince'>,
  now: Date,
  timers: Timers,
): Date | null {
  if (warmUp !== 'running' || !warmingSince) return null
  const until = new Date(warmingSince.getTime() + timers.warmUpMs)
  return until > now ? until : null
}
