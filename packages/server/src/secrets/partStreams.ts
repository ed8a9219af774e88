/**
 * The events of a session in the light of its secrets: text that comes in pieces (deltas of a part, a program's output)
 * belongs to a stream each and may wait there; all else is redacted at once. What tells a part in full, and what ends
 * something, lets nothing wait any longer.
 */
import { type EventsFrame, upSchemas } from '@corral/protocol'
import type { DeltaStream } from './deltaStream.ts'
import type { Redactor } from './redactor.ts'
import { readPiece, readWhole } from './streamedText.ts'

export type SentEvent = EventsFrame['events'][number]

export type PartStreams = {
  /** Calls `ready` with what may be stored, now or during a later call. */
  take(event: SentEvent, ready: (event: SentEvent) => void): void
  /** Nothing waits any longer. */
  expire(): void
  expireDue(): void
  /** When something has waited for long enough; null when nothing waits. */
  dueMs(): number | null
  /** Nothing waits, and no text that is unfinished is remembered. */
  isIdle(): boolean
}

/** A text that goes on and on may be the longest of secrets, but not for ever. */
const mostHolds = 10
/** Texts that are remembered because of their ends; the oldest is let go. */
const mostStreams = 100

type Held = { stream: DeltaStream; part: string; heldSince: number; touchedAt: number }

export function createPartStreams(redactor: Redactor, options: { holdMs: number }): PartStreams {
  const { holdMs } = options
  const streams = new Map<string, Held>()

  function streamOf(key: string, part: string): Held {
    const known = streams.get(key)
    if (known) return known
    const made = { stream: redactor.stream(), part, heldSince: 0, touchedAt: 0 }
    streams.set(key, made)
    for (const [oldest, { stream }] of streams) {
      if (streams.size <= mostStreams) break
      stream.expire()
      streams.delete(oldest)
    }
    return made
  }

  function expireWhere(which: (held: Held) => boolean): void {
    for (const held of streams.values()) if (which(held)) held.stream.expire()
    forgetIdle()
  }

  function forgetIdle(): void {
    for (const [key, { stream }] of streams) if (stream.isIdle()) streams.delete(key)
  }

  const dueAt = (held: Held) => Math.min(held.touchedAt + holdMs, held.heldSince + mostHolds * holdMs)
  const expireDue = () => expireWhere((held) => held.stream.holds() && dueAt(held) <= performance.now())

  return {
    take(event, ready) {
      const piece = readPiece(event)
      if (piece) {
        const held = streamOf(piece.key, piece.part)
        const now = performance.now()
        if (!held.stream.holds()) held.heldSince = now
        held.touchedAt = now
        held.stream.feed(piece.text, (shown) => ready(redacted(piece.with(shown), redactor)))
        forgetIdle()
        return
      }
      const whole = readWhole(event)
      if (whole) {
        expireWhere((held) => held.part === whole.part)
        for (const [key, held] of streams) if (held.part === whole.part) streams.delete(key)
        for (const { key, text } of whole.texts) streamOf(key, whole.part).stream.follow(text)
        forgetIdle()
      } else if (endsTurn(event)) {
        expireWhere(() => true)
        streams.clear()
      } else if (endsStep(event)) expireWhere((held) => held.stream.holds())
      ready(redacted(event, redactor))
    },
    expire: () => expireWhere(() => true),
    expireDue,
    dueMs() {
      const due = [...streams.values()].filter((held) => held.stream.holds()).map(dueAt)
      return due.length === 0 ? null : Math.max(0, Math.min(...due) - performance.now())
    },
    isIdle: () => streams.size === 0,
  }
}

/** Nothing of what was being said is gone on with. */
const endsTurn = ({ type }: SentEvent) => ['outcome', 'stopped', 'prepared', 'finalized'].includes(type)

/** Somebody waits for it: nothing before it may hold it up. */
const endsStep = ({ type, data }: SentEvent) =>
  type === 'status' && typeof data === 'object' && data !== null && 'state' in data && data.state !== 'running'

function redacted(event: SentEvent, redactor: Redactor): SentEvent {
  // Of a type that is not known the log tells the name, which may be anything.
  const type = Object.hasOwn(upSchemas, event.type) ? event.type : redactor.text(event.type)
  try {
    const data = redactor.data(event.data)
    return data === event.data && type === event.type ? event : { ...event, type, data }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    // Nested too deep to be looked through: without data it has not the form of its type, and is stored as that.
    return { ...event, type, data: null }
  }
}
