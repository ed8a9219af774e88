/**
 * The log of all sessions: one durable list of numbered events each, of which everything a person or a program sees is
 * a view. Two doors lead into it (`offer` for supervisors, `appendIn` for everybody else); `readPage` and `follow`
 * lead out. Durable before visible: an event is on disk before anyone sees it, and acked only then.
 */
import type { EventsFrame, ExecutionId, SessionId } from '@corral/protocol'
import type { Logger } from 'pino'
import type { Database, Tx } from '../database/transaction.ts'
import { type AppendIn, createAppend } from './append.ts'
import { compact } from './compaction.ts'
import type { Frame } from './envelope.ts'
import type { Filters } from './filters.ts'
import { type FollowOptions, follow } from './follow.ts'
import { lastSeqs } from './heads.ts'
import { createHub, type Hub } from './hub.ts'
import { numbersOfKeys } from './insert.ts'
import { readPage } from './replay.ts'
import type { LogObserver, LogSink, Redact } from './types.ts'
import { createWriter } from './writer.ts'

export type Log = {
  /** Appends what a supervisor sent; see `Writer`. */
  offer(frame: EventsFrame): Promise<{ epoch: number; n: number }>
  appendIn: AppendIn
  /** Takes the deltas of a stopped execution out of the log; see `compaction.ts`. Returns how many. */
  compactIn(tx: Tx, which: { sessionId: SessionId; executionId: ExecutionId }): Promise<number>
  /** What the log holds in (`after`, `upTo`], in pages of at most 1 MiB or one larger event. */
  replay(
    session: SessionId,
    range: { after: number; upTo: number; filters?: Filters | undefined },
  ): AsyncGenerator<Frame[], void, undefined>
  /** What the log holds after a number, and then what comes; see `follow.ts`. */
  follow(session: SessionId, options: FollowOptions): AsyncGenerator<Frame[], void, undefined>
  /** What is committed in any session, while it is; see `Hub`. */
  listen: Hub['listen']
  /** 0 when there is no event. */
  lastSeq(session: SessionId): Promise<number>
  /** Those of `keys` under which the server has appended an event. */
  knownKeys(session: SessionId, keys: readonly string[]): Promise<Set<string>>
  /** Offers that are not settled are given back. Viewers are left to their faces. */
  close(): Promise<void>
}

export function createLog(options: {
  database: Database
  sink: LogSink
  redact: Redact
  logger: Logger
  observer?: LogObserver
}): Log {
  const { pool } = options.database
  const hub = createHub({ heads: (sessions) => lastSeqs(pool, sessions), logger: options.logger })
  const writer = createWriter({ ...options, publish: hub.publish })
  const appendIn = createAppend({ ...options, publish: hub.publish })
  return {
    offer: writer.offer,
    appendIn,
    compactIn: (tx, which) => compact(tx, appendIn, which),
    async *replay(session, { after, upTo, filters }) {
      for (let cursor = after; cursor < upTo; ) {
        const page = await readPage(pool, session, { after: cursor, upTo, filters })
        cursor = page.through
        if (page.frames.length > 0) yield page.frames
      }
    },
    follow: (session, followOptions) => follow({ pool, hub }, session, followOptions),
    listen: hub.listen,
    lastSeq: async (session) => (await lastSeqs(pool, [session])).get(session) ?? 0,
    knownKeys: async (session, keys) => new Set((await numbersOfKeys(pool, session, keys)).keys()),
    async close() {
      await writer.close()
      hub.close()
    },
  }
}
