/**
 * One commit of the batch writer: locks the heads of the sessions concerned, takes from what was offered exactly what
 * the log lacks, gives numbers, and writes everything or nothing.
 */
import type { SessionId } from '@corral/protocol'
import type { PoolClient } from 'pg'
import { together } from '../database/together.ts'
import type { Database, Tx } from '../database/transaction.ts'
import { advanceHeads, type Head, livingSessions, lockFreeHeads, lockHeads } from './heads.ts'
import type { Incoming } from './incoming.ts'
import { insertEvents, numbered, withoutKnown } from './insert.ts'
import { place } from './spool.ts'
import type { LogSink, NewEvent, StoredEvent } from './types.ts'

/** Some events of one frame, in order and without a gap. */
export type Slice = {
  epoch: number
  events: readonly [Incoming, ...Incoming[]]
  /** How many numbers right before them the supervisor says it has dropped. */
  dropped: number
}

export type SessionResult =
  /** Somebody else holds the head: nothing was done. */
  | { kind: 'busy' }
  /** What is not a hole is in the log or need not be. */
  | { kind: 'settled'; holes: ReadonlyMap<Slice, string> }

export type BatchOptions = {
  database: Database
  sink: LogSink
  publish(events: readonly StoredEvent[]): void
}

/** Published before this returns. `waitMs`: wait so long for the heads instead of passing over those that are held. */
export function commitBatch(
  { database, sink, publish }: BatchOptions,
  batch: ReadonlyMap<SessionId, readonly Slice[]>,
  waitMs?: number,
): Promise<Map<SessionId, SessionResult>> {
  const sessions = [...batch.keys()]
  const lock = (client: PoolClient) =>
    waitMs === undefined ? lockFreeHeads(client, sessions) : lockHeads(client, sessions, waitMs)
  return database.lockedTransaction(lock, async (tx, heads) => {
    const results = await resultsWithoutHead(
      tx,
      sessions.filter((session) => !heads.has(session)),
    )

    const takings: Taking[] = []
    // In the order of ids: with each session its row may be locked, too.
    for (const [session, head] of heads) {
      const { holes, ...taking } = await take(tx, sink, head, batch.get(session) ?? [])
      results.set(session, { kind: 'settled', holes })
      if (taking.lastN > head.lastN) takings.push(taking)
    }
    const stored = takings.flatMap((taking) => taking.stored)
    const shown = takings.flatMap((taking) => taking.shown)
    const [, advanced] = await together([
      insertEvents(tx.client, stored),
      advanceHeads(tx.client, takings),
      sink.apply(tx, shown),
    ])
    if (advanced !== takings.length) throw new SessionVanished()
    tx.afterCommit(() => publish(stored))
    return results
  })
}

/** A session was deleted while its head was being locked; the batch is to be repeated and will see that. */
class SessionVanished extends Error {
  /** As PostgreSQL calls a transaction that must be repeated. */
  readonly code = '40001'
}

async function resultsWithoutHead(tx: Tx, sessions: SessionId[]): Promise<Map<SessionId, SessionResult>> {
  if (sessions.length === 0) return new Map()
  const living = await livingSessions(tx.client, sessions)
  // Events of a deleted or unknown session are discarded, and count as settled.
  const resultOf = (session: SessionId): SessionResult =>
    living.has(session) ? { kind: 'busy' } : { kind: 'settled', holes: new Map() }
  return new Map(sessions.map((session) => [session, resultOf(session)]))
}

type Taking = {
  sessionId: SessionId
  lastSeq: number
  lastN: number
  progressAt: Date | null
  stored: StoredEvent[]
  /** What the sink is to see of them: all but the rejected. */
  shown: StoredEvent[]
}

async function take(
  tx: Tx,
  sink: LogSink,
  head: Head,
  slices: readonly Slice[],
): Promise<Taking & { holes: Map<Slice, string> }> {
  const holes = new Map<Slice, string>()
  const incoming: Incoming[] = []
  let { lastN } = head
  for (const slice of slices) {
    const placement = place(
      { epoch: head.epoch, lastN },
      { epoch: slice.epoch, firstN: slice.events[0].n, length: slice.events.length, dropped: slice.dropped },
    )
    if (placement.kind === 'hole') holes.set(slice, placement.why)
    if (placement.kind !== 'take') continue
    const next = slice.events.slice(placement.skip)
    incoming.push(...next)
    lastN = next.at(-1)?.n ?? lastN
  }

  const events: NewEvent[] = []
  const rejected = new Set<number>()
  let progress = false
  for (const one of incoming) {
    if (one.kind === 'admit') {
      const origin = { epoch: head.epoch, n: one.n }
      const admitted = await sink.admit(tx, { id: head.sessionId, epoch: head.epoch }, [one.event])
      events.push(...admitted.map((event) => ({ ...event, origin })))
      continue
    }
    events.push(one.event)
    if (one.kind === 'rejected') rejected.add(one.n)
    else progress ||= one.progress
  }
  const { fresh } = await withoutKnown(tx.client, head, events)
  const stored = numbered(head, fresh)
  return {
    holes,
    sessionId: head.sessionId,
    lastSeq: head.lastSeq + stored.length,
    lastN,
    progressAt: progress ? head.now : null,
    stored,
    shown: stored.filter(({ origin }) => !(origin && rejected.has(origin.n))),
  }
}
