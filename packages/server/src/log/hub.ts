/**
 * Live fan-out: hands what was committed to the backlogs of those who follow its session. It keeps nothing itself, and
 * no viewer can slow it: a backlog that is full lets go.
 */
import { limits, type SessionId } from '@corral/protocol'
import type { Logger } from 'pino'
import { type Backlog, createBacklog } from './backlog.ts'
import { type Frame, frameOf } from './envelope.ts'
import type { StoredEvent } from './types.ts'

export type Hub = {
  /** From now on the backlog hears of every event of the session, until `leave`. */
  join(session: SessionId): Backlog
  leave(session: SessionId, backlog: Backlog): void
  /**
   * Every published event of every session; returns the way to stop. For who looks at many sessions and reads the log
   * where numbers are missing. The listener must neither wait nor throw.
   */
  listen(listener: Listener): () => void
  /** Right after their commit; the events of each session in order. Never throws. */
  publish(events: readonly StoredEvent[]): void
  /** Sessions that somebody follows. */
  followed(): number
  close(): void
}

export type Listener = (session: SessionId, frames: readonly Frame[]) => void

/**
 * A COMMIT whose answer was lost may have written events that nobody published. So the hub compares what was heard with
 * the heads of the followed sessions, as they were one such time ago: what was not heard of by then is told now.
 */
const compareEveryMs = 2_500

export function createHub(options: {
  /** The last number of each of these sessions. */
  heads(sessions: SessionId[]): Promise<Map<SessionId, number>>
  logger: Logger
  compareMs?: number
}): Hub {
  const { heads, logger, compareMs = compareEveryMs } = options
  const followers = new Map<SessionId, Set<Backlog>>()
  const listeners = new Set<Listener>()
  let earlier = new Map<SessionId, number>()
  let comparing = false
  const timer = setInterval(() => void compare(), compareMs)
  timer.unref()

  async function compare(): Promise<void> {
    if (comparing) return
    comparing = true
    try {
      for (const [session, seq] of earlier) {
        for (const backlog of followers.get(session) ?? []) backlog.tell(seq)
      }
      earlier = followers.size === 0 ? new Map() : await heads([...followers.keys()])
    } catch (error) {
      logger.warn({ error }, 'the heads of followed sessions could not be read; trying again soon')
    } finally {
      comparing = false
    }
  }

  function publishTo(session: SessionId, events: readonly StoredEvent[]): void {
    const backlogs = followers.get(session) ?? []
    if (!followers.has(session) && listeners.size === 0) return
    const frames = events.map((event) => frameOf(session, event))
    for (const backlog of backlogs) backlog.add(frames)
    for (const listener of listeners) listener(session, frames)
  }

  return {
    join(session) {
      const backlog = createBacklog(limits.viewerBacklogBytes)
      const joined = followers.get(session)
      if (joined) joined.add(backlog)
      else followers.set(session, new Set([backlog]))
      return backlog
    },
    leave(session, backlog) {
      const joined = followers.get(session)
      joined?.delete(backlog)
      if (joined?.size === 0) followers.delete(session)
    },
    listen(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    publish(events) {
      for (const [session, own] of Map.groupBy(events, (event) => event.sessionId)) publishTo(session, own)
    },
    followed: () => followers.size,
    close: () => clearInterval(timer),
  }
}
