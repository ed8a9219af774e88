/**
 * The log's first door, for what supervisors send. A batch is what arrived while the last commit was in flight; an
 * idle writer commits at once. Each event of each (session, epoch, n) is stored exactly once, in order, and its offer
 * resolves only after it is on disk and published.
 *
 * When the database is away, what was offered is given back with a retryable error instead of being kept here: the
 * link closes, and the supervisor, which spools to disk, sends it again once the link is back. So memory stays bounded
 * by what the links let in.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { CorralError, type EventsFrame, type SessionId, upSchemas } from '@corral/protocol'
import type { Logger } from 'pino'
import type { Database } from '../database/transaction.ts'
import { commitBatch } from './batch.ts'
import { isConflict, isPassing } from './fault.ts'
import { type Incoming, readIncoming, rejected } from './incoming.ts'
import { type Batch, createQueue, type Portion } from './queue.ts'
import type { LogObserver, LogSink, StoredEvent } from './types.ts'

/** The numbers of a frame do not follow those of the log; the link it came on is to be closed. */
export class HoleError extends Error {
  constructor(session: SessionId, why: string) {
    super(`Events of ${session} are missing: ${why}.`)
    this.name = 'HoleError'
  }
}

export type Writer = {
  /** Resolves with the number up to which all is settled. Rejects with `HoleError`, or `unavailable`: send it again. */
  offer(frame: EventsFrame): Promise<{ epoch: number; n: number }>
  /** Gives back what is not settled yet, and returns when nothing is in flight any more. */
  close(): Promise<void>
}

/** Between rounds that found every head held by somebody else. */
const busyPauseMs = 5
/**
 * A session that was passed over so often gets a transaction of its own, which waits for its head beside the rounds.
 * `FOR UPDATE SKIP LOCKED` never queues for a lock, so without that a busy head might never be had.
 */
const passesBeforeWaiting = 10
/** Two connections at most wait for heads. */
const maxWaiting = 2
/** Longer than any transaction that holds a head may take. */
const headWaitMs = 10_000

type Progress = 'moved' | 'stuck' | 'failed'
/** `waitMs`: wait so long for the heads. `alone`: the batch is one event that is tried once more. */
type Attempt = { waitMs?: number; alone?: boolean }

export function createWriter(options: {
  database: Database
  sink: LogSink
  logger: Logger
  observer?: LogObserver
  publish(events: readonly StoredEvent[]): void
}): Writer {
  const { logger, observer } = options
  const queue = createQueue()
  const passedOver = new Map<SessionId, number>()
  const waiting = new Map<SessionId, Promise<void>>()
  let rounds: Promise<void> | null = null
  let closed = false

  function start(): void {
    if (rounds !== null) return
    // Begun in the next microtask, so that `rounds` is set before it can end.
    rounds = Promise.resolve().then(run)
  }

  async function run(): Promise<void> {
    try {
      for (;;) {
        for (const [session, passes] of passedOver) if (passes >= passesBeforeWaiting) waitFor(session)
        const batch = queue.batch((session) => !waiting.has(session))
        if (batch.size === 0) return
        if ((await store(batch)) === 'stuck') await delay(busyPauseMs)
      }
    } finally {
      rounds = null
    }
  }

  function waitFor(session: SessionId): void {
    if (waiting.size >= maxWaiting || waiting.has(session)) return
    passedOver.delete(session)
    const stored = store(
      queue.batch((other) => other === session),
      { waitMs: headWaitMs },
    )
    waiting.set(
      session,
      stored.then(() => {
        waiting.delete(session)
        start()
      }),
    )
  }

  async function store(batch: Batch, attempt: Attempt = {}): Promise<Progress> {
    if (batch.size === 0) return 'moved'
    try {
      const results = await commitBatch(options, batch, attempt.waitMs)
      observer?.committed(eventsIn(batch))
      let progress: Progress = 'stuck'
      for (const [session, portions] of batch) {
        const result = results.get(session)
        if (result?.kind !== 'settled') {
          passOver(session)
          continue
        }
        progress = 'moved'
        passedOver.delete(session)
        for (const portion of portions) {
          const why = result.holes.get(portion)
          if (why === undefined) queue.settle(portion)
          else queue.fail(portion.offer, new HoleError(session, why))
        }
      }
      return progress
    } catch (error) {
      if (isConflict(error)) {
        for (const session of batch.keys()) passOver(session)
        return 'stuck'
      }
      if (isPassing(error)) return giveBack(batch, error)
      return storeApart(batch, error, attempt)
    }
  }

  const passOver = (session: SessionId) => passedOver.set(session, (passedOver.get(session) ?? 0) + 1)

  function giveBack(batch: Batch, cause: unknown): Progress {
    logger.warn({ error: cause, sessions: batch.size }, 'events were given back to their supervisors, not stored')
    for (const session of batch.keys()) {
      passedOver.delete(session)
      // All of the session: what is behind these events would only be a hole without them.
      queue.failAll(session, new CorralError('unavailable', { cause }))
    }
    return 'failed'
  }

  /** The commit failed because of something in the batch: session by session, then event by event, it is found. */
  async function storeApart(batch: Batch, error: unknown, attempt: Attempt): Promise<Progress> {
    if (batch.size > 1) {
      let progress: Progress = 'stuck'
      for (const [session, portions] of batch) {
        const own = await store(new Map([[session, portions]]), attempt)
        if (own === 'failed') return own
        if (own === 'moved') progress = own
      }
      return progress
    }
    for (const [session, portions] of batch) {
      for (const portion of portions) {
        const progress = attempt.alone
          ? await storeCulprit(session, portion, error, attempt)
          : await storeOneByOne(session, portion, attempt)
        if (progress !== 'moved') return progress
      }
    }
    return 'moved'
  }

  async function storeOneByOne(session: SessionId, portion: Portion, attempt: Attempt): Promise<Progress> {
    for (const [i, event] of portion.events.entries()) {
      if (!queue.has(portion.offer)) break
      const one = { ...portion, events: [event] as const, dropped: i === 0 ? portion.dropped : 0 }
      const progress = await store(new Map([[session, [one]]]), { ...attempt, alone: true })
      if (progress !== 'moved') return progress
    }
    return 'moved'
  }

  /** This one event has failed in the batch, and again alone. */
  async function storeCulprit(
    session: SessionId,
    portion: Portion,
    cause: unknown,
    attempt: Attempt,
  ): Promise<Progress> {
    const [event] = portion.events
    // Not even the log's own words about it can be stored: that is no fault of the event.
    if (event.kind === 'rejected') return giveBack(new Map([[session, [portion]]]), cause)
    const origin = { epoch: portion.epoch, n: event.n }
    const instead = rejected(event.event, origin, { why: 'it could not be written', cause })
    report(session, [instead])
    return store(new Map([[session, [{ ...portion, events: [instead] as const }]]]), attempt)
  }

  function report(session: SessionId, incoming: readonly Incoming[]): void {
    const refused = incoming.filter((one) => one.kind === 'rejected')
    const [first] = refused
    if (!first) return
    const { n, why, cause } = first
    logger.warn({ session, n, count: refused.length, why, error: cause }, 'events of a sandbox were not stored as sent')
  }

  return {
    async offer(frame) {
      if (closed) throw new CorralError('unavailable')
      const incoming = readIncoming(frame)
      report(frame.session, incoming)
      const { session, epoch, from } = frame
      const offeredAt = performance.now()
      return new Promise((resolve, reject) => {
        queue.add({
          session,
          epoch,
          incoming,
          dropped: droppedBefore(frame),
          settled: 0,
          ack() {
            observer?.appended(performance.now() - offeredAt)
            resolve({ epoch, n: from + incoming.length - 1 })
          },
          fail: reject,
        })
        start()
      })
    },
    async close() {
      closed = true
      for (const session of queue.sessions()) queue.failAll(session, new CorralError('unavailable'))
      await Promise.all([rounds, ...waiting.values()])
    },
  }
}

function eventsIn(batch: Batch): number {
  let events = 0
  for (const portions of batch.values()) for (const portion of portions) events += portion.events.length
  return events
}

/** An `events_dropped` at the head of a frame stands for the numbers right before it. */
function droppedBefore({ events: [first] }: EventsFrame): number {
  if (first?.type !== 'events_dropped') return 0
  return upSchemas.events_dropped.safeParse(first.data).data?.count ?? 0
}
