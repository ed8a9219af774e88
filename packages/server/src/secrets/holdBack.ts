/**
 * What supervisors send, on its way to the log: secrets are taken out, and an event that may hold the beginning of one
 * waits until what follows tells. Invariants: the order of a session's events is kept; an event that waits is not acked,
 * and what one secret is cut out of is acked together, so that nothing is lost or half shown when this process dies;
 * no event waits longer than `holdMs` for the next word of its part. A session without secrets passes as it is.
 */
import { CorralError, type EventsFrame, type SessionId } from '@corral/protocol'
import type { Redactors } from './redactors.ts'
import { createSessionHold, type Offer, type SessionHold } from './sessionHold.ts'

export type HoldBack = {
  /** As the log's own `offer`. */
  offer: Offer
  /** Gives back what waits. */
  close(): void
}

export function createHoldBack(deps: { redactors: Redactors; offer: Offer; holdMs: number }): HoldBack {
  const { redactors } = deps
  const holds = new Map<SessionId, SessionHold>()
  /** Sessions whose secrets are being read; what comes meanwhile follows in its order. */
  const loading = new Map<SessionId, Promise<unknown>>()
  let closed = false

  async function loaded(session: SessionId): Promise<void> {
    const under = loading.get(session) ?? redactors.load(session)
    loading.set(session, under)
    try {
      await under
    } finally {
      loading.delete(session)
    }
  }

  function take(frame: EventsFrame): ReturnType<Offer> {
    const { session } = frame
    const redactor = redactors.known(session)
    if (!redactor) return deps.offer(frame)
    const hold = holds.get(session) ?? createSessionHold({ ...deps, session, idle: () => holds.delete(session) })
    holds.set(session, hold)
    return hold.offer(frame, redactor)
  }

  return {
    async offer(frame) {
      while (!closed && redactors.known(frame.session) === undefined) await loaded(frame.session)
      if (closed) throw new CorralError('unavailable')
      return take(frame)
    },
    close() {
      closed = true
      for (const hold of holds.values()) hold.giveBack()
    },
  }
}
