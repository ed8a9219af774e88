/**
 * One viewer's way through a session's log: what is there, then what comes, in order, without a hole or a double.
 * Live events are taken from its backlog as long as they follow directly; all else is read from the log in pages, so a
 * viewer that takes its time costs a page and a backlog of memory, and nobody else anything.
 */
import type { SessionId } from '@corral/protocol'
import type { Pool } from 'pg'
import type { Frame } from './envelope.ts'
import { type Filters, matches } from './filters.ts'
import { lastSeqs } from './heads.ts'
import type { Hub } from './hub.ts'
import { readPage } from './replay.ts'

export type FollowOptions = {
  /** Events after this number; 0 for all. */
  after: number
  filters?: Filters | undefined
  /** Ends the iteration. */
  signal: AbortSignal
}

/**
 * Never ends by itself. Yields at least one frame at a time, at most about 1 MiB (or one larger event); the next are
 * made ready when they are asked for. Throws when the log cannot be read; whoever follows then starts again from the
 * last number that it has seen.
 */
export async function* follow(
  { pool, hub }: { pool: Pool; hub: Hub },
  session: SessionId,
  { after, filters = {}, signal }: FollowOptions,
): AsyncGenerator<Frame[], void, undefined> {
  const backlog = hub.join(session)
  signal.addEventListener('abort', backlog.wake)
  try {
    const heads = await lastSeqs(pool, [session])
    backlog.tell(heads.get(session) ?? 0)
    let cursor = after
    while (!signal.aborted) {
      const live = backlog.takeAfter(cursor)
      const newest = live.at(-1)
      if (newest) {
        cursor = newest.seq
        const wanted = live.filter((frame) => matches(filters, frame))
        if (wanted.length > 0) yield wanted
      } else if (cursor < backlog.newest()) {
        const page = await readPage(pool, session, { after: cursor, upTo: backlog.newest(), filters })
        cursor = page.through
        if (page.frames.length > 0) yield page.frames
      } else {
        await backlog.news()
      }
    }
  } finally {
    signal.removeEventListener('abort', backlog.wake)
    hub.leave(session, backlog)
  }
}
