/** What goes into a session's log and what comes out of it. */
import type { ExecutionId, SessionId, StreamEventType } from '@corral/protocol'
import type { Tx } from '../database/transaction.ts'

/** An event that has no number yet. */
export type NewEvent = {
  type: StreamEventType
  executionId?: ExecutionId | undefined
  /** The part it is about, for deltas and part updates. */
  entityId?: string | undefined
  /** The exact JSON text that viewers get. */
  data: string
  /** Set on what the server makes: a repeated append of the same key is a no-op. */
  key?: string | undefined
  /** It ends its execution. */
  ends?: boolean | undefined
  /** Where a supervisor's event came from. Set by the log. */
  origin?: { epoch: number; n: number } | undefined
}

/** `at` is PostgreSQL's clock, in whole milliseconds. */
export type StoredEvent = NewEvent & { sessionId: SessionId; seq: number; at: Date }

/** One event of a supervisor whose `data` has passed its schema. */
export type AdmittedEvent = { n: number; type: string; executionId?: ExecutionId | undefined; data: unknown }

/**
 * How `sessions` takes part in an append, inside its transaction and under the lock of the session's head.
 * `app.ts` connects the two, so that the log knows nothing of sessions.
 *
 * What either throws is taken as the fault of the event, unless it says that the database is away: the event is then
 * stored as an `error` of the log, and the sink does not see it again.
 */
export type LogSink = {
  /**
   * Before numbers are given, for what a supervisor says beyond plain output (`plainTypes` in `incoming.ts` never come
   * here; of `kilocode`, asks do): turns the link's own types (`accepted`, `outcome`, …) into row changes and log events
   * and drops what may not be stored. Returns what is to be stored in their place, in order. One call has one event or several that
   * follow each other directly.
   */
  admit(tx: Tx, session: { id: SessionId; epoch: number }, events: AdmittedEvent[]): Promise<NewEvent[]>
  /**
   * After numbers are given, for both doors: the transcript. The events of each session are in order. It shares a round
   * trip with their insertion, so it must not look at the log.
   */
  apply(tx: Tx, events: StoredEvent[]): Promise<void>
}

/**
 * The seam at which secrets leave what the server itself appends; what supervisors offer has passed `secrets/holdBack.ts`
 * before, since it comes in pieces. Changes string values of `data`, never ids or
 * keys; gives back as many events as it was given, in their order.
 */
export type Redact = <E extends { data: unknown }>(session: SessionId, events: readonly E[]) => readonly E[]

/** Told of what the log does, for figures. Must not throw. */
export type LogObserver = {
  /** A supervisor's frame is on disk and acknowledged, so long after it came. */
  appended(ms: number): void
  /** A batch of so many events was committed. */
  committed(events: number): void
}
