/**
 * What comes next for one callback: pure over its row, its execution's finalization and a clock.
 * Invariants: the body is fixed before the first attempt; waits and attempts are those of the table of timers; what is
 * over is tried again only when its owner asks, and leaves after a while.
 * Source: 30-cloud-agent-api §14.
 */
import type { CallbackAttempt, DeliveryState } from '@corral/protocol'
import type { Timers } from '../config.ts'

export type CallbackTimers = Pick<
  Timers,
  'finalizationMs' | 'callbackAttemptMs' | 'callbackRetryMs' | 'callbackKeepMs' | 'callbackKeyMs'
>

export const maxAttempts = 5

export type CallbackFacts = {
  state: DeliveryState
  attemptsLeft: number
  attemptedAt: Date | null
  createdAt: Date
  /** Of its execution; null when that is gone with its session. */
  finalization: 'none' | 'pending' | 'done' | null
}

export type CallbackAction = { do: 'fixBody' } | { do: 'attempt' } | { do: 'forget' } | { do: 'wait'; until: Date }

export function decideCallback(facts: CallbackFacts, now: Date, timers: CallbackTimers): CallbackAction {
  const once = (due: Date, action: CallbackAction): CallbackAction => (due <= now ? action : { do: 'wait', until: due })
  switch (facts.state) {
    case 'waiting': {
      const tells = facts.finalization !== 'pending'
      return tells ? { do: 'fixBody' } : once(later(facts.createdAt, timers.finalizationMs), { do: 'fixBody' })
    }
    case 'pending': {
      const made = maxAttempts - facts.attemptsLeft
      if (made === 0 || !facts.attemptedAt) return { do: 'attempt' }
      return once(later(facts.attemptedAt, timers.callbackRetryMs * 2 ** (made - 1)), { do: 'attempt' })
    }
    case 'delivered':
    case 'dead':
      return once(later(facts.attemptedAt ?? facts.createdAt, timers.callbackKeepMs), { do: 'forget' })
  }
}

/** What came of one attempt: the receiver's status, or why there is none. */
export type AttemptOutcome = { status: number } | { error: AttemptError }
export type AttemptError =
  | 'target_refused'
  /** It was sealed under another seal key. */
  | 'target_unreadable'
  | 'timeout'
  | 'name_not_resolved'
  | 'connection_refused'
  | 'connection_reset'
  | 'tls_failed'
  | 'network_error'

/** The state after an attempt, of which `attemptsLeft` remain. */
export function stateAfter(outcome: AttemptOutcome, attemptsLeft: number): DeliveryState {
  if ('status' in outcome && outcome.status >= 200 && outcome.status < 300) return 'delivered'
  return mayBeRepeated(outcome) && attemptsLeft > 0 ? 'pending' : 'dead'
}

/** Redirects and refusals are the receiver's last word; what is broken or busy may mend. */
function mayBeRepeated(outcome: AttemptOutcome): boolean {
  if ('error' in outcome) return outcome.error !== 'target_refused' && outcome.error !== 'target_unreadable'
  return outcome.status === 429 || outcome.status >= 500
}

/** The newest attempts are kept for readers, and no more than these. */
const attemptsShown = 50

export const withAttempt = (attempts: readonly CallbackAttempt[], attempt: CallbackAttempt): CallbackAttempt[] => [
  ...attempts.slice(1 - attemptsShown),
  attempt,
]

const later = (time: Date, ms: number) => new Date(time.getTime() + ms)
