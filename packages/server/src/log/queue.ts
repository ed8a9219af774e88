/**
 * What supervisors have offered and the log has not taken yet: frames in the order of their coming, by session.
 * Batches are cut from it by turns, so that a session with much to say leaves room to the others.
 */
import { limits, type SessionId } from '@corral/protocol'
import type { Slice } from './batch.ts'
import type { Incoming } from './incoming.ts'

export type Offer = {
  session: SessionId
  epoch: number
  incoming: readonly Incoming[]
  /** How many numbers right before its first event the supervisor says it has dropped. */
  dropped: number
  /** How many of `incoming` are settled. */
  settled: number
  ack(): void
  fail(error: Error): void
}

/** The part of an offer that is in a batch. */
export type Portion = Slice & { offer: Offer }
export type Batch = ReadonlyMap<SessionId, readonly Portion[]>

export type Queue = {
  add(offer: Offer): void
  has(offer: Offer): boolean
  sessions(): SessionId[]
  /** At most 500 events or 4 MiB, but one event if there is any, of the sessions that `include` says. */
  batch(include: (session: SessionId) => boolean): Batch
  /** The session has had its turn; its offer is acked when this was the rest of it. */
  settle(portion: Portion): void
  fail(offer: Offer, error: Error): void
  failAll(session: SessionId, error: Error): void
}

export function createQueue(): Queue {
  /** The first session is the one whose turn it is. */
  const waiting = new Map<SessionId, Offer[]>()

  function remove(offer: Offer): void {
    const left = waiting.get(offer.session)?.filter((other) => other !== offer) ?? []
    waiting.delete(offer.session)
    if (left.length > 0) waiting.set(offer.session, left)
  }

  function fail(offer: Offer, error: Error): void {
    remove(offer)
    offer.fail(error)
  }

  return {
    add(offer) {
      const offers = waiting.get(offer.session)
      if (offers) offers.push(offer)
      else waiting.set(offer.session, [offer])
    },
    has: (offer) => waiting.get(offer.session)?.includes(offer) ?? false,
    sessions: () => [...waiting.keys()],
    batch(include) {
      const batch = new Map<SessionId, Portion[]>()
      const room = createRoom()
      for (let turn = 0; ; turn++) {
        let found = false
        for (const [session, offers] of waiting) {
          const offer = offers[turn]
          if (!offer || !include(session)) continue
          found = true
          const portion = cut(offer, room)
          if (!portion) return batch
          const portions = batch.get(session)
          if (portions) portions.push(portion)
          else batch.set(session, [portion])
          if (offer.settled + portion.events.length < offer.incoming.length) return batch
        }
        if (!found) return batch
      }
    },
    settle({ offer, events }) {
      offer.settled += events.length
      const offers = waiting.get(offer.session)
      if (offer.settled >= offer.incoming.length) {
        remove(offer)
        offer.ack()
      } else if (offers) {
        waiting.delete(offer.session)
        waiting.set(offer.session, offers)
      }
    },
    fail,
    failAll(session, error) {
      for (const offer of [...(waiting.get(session) ?? [])]) fail(offer, error)
    },
  }
}

/** Null when the batch is full. */
function cut(offer: Offer, room: Room): Portion | null {
  let end = offer.settled
  for (let next = offer.incoming[end]; next && room.takes(next); next = offer.incoming[end]) end += 1
  const [first, ...rest] = offer.incoming.slice(offer.settled, end)
  if (!first) return null
  return { offer, epoch: offer.epoch, events: [first, ...rest], dropped: offer.settled === 0 ? offer.dropped : 0 }
}

type Room = { takes(event: Incoming): boolean }

function createRoom(): Room {
  let events = 0
  let bytes = 0
  return {
    takes(event) {
      if (events > 0 && (events === limits.batchEvents || bytes + event.bytes > limits.batchBytes)) return false
      events += 1
      bytes += event.bytes
      return true
    },
  }
}
