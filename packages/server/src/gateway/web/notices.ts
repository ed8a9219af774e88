/**
 * What a session is told of refused hosts, so that nobody guesses why an install failed: a header of the refusal, which the
 * supervisor makes a `status` event of. One per session, host and minute.
 */
import { noticeHeader, type SessionId, sessionHeader } from '@corral/protocol'

const againMs = 60_000
/** Forgetting the oldest costs a notice too many at worst. */
const maxKept = 10_000
const none: Record<string, string> = {}

export type Notices = { about(sessionId: SessionId, host: string, sentence: string): Record<string, string> }

export function createNotices(now: () => number = () => performance.now()): Notices {
  const told = new Map<string, number>()
  return {
    about(sessionId, host, sentence) {
      const key = `${sessionId} ${host}`
      const last = told.get(key)
      if (last !== undefined && now() - last < againMs) return none
      told.delete(key)
      told.set(key, now())
      const oldest = told.keys().next().value
      if (told.size > maxKept && oldest !== undefined) told.delete(oldest)
      return { [sessionHeader]: sessionId, [noticeHeader]: encodeURIComponent(sentence) }
    },
  }
}
