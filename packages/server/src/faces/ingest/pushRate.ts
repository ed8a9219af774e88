/** How many pushes a user may make in a minute. In memory, since one server is active at a time. */
import { limits } from '@corral/protocol'

const minuteMs = 60_000

export type PushRate = {
  /** Milliseconds to wait; 0 when this push may be taken, which is then counted. */
  take(userId: string): number
}

export function createPushRate(now: () => number = () => performance.now()): PushRate {
  const counts = new Map<string, number>()
  let until = 0
  return {
    take(userId) {
      const at = now()
      if (at >= until) {
        counts.clear()
        until = at + minuteMs
      }
      const taken = counts.get(userId) ?? 0
      if (taken >= limits.pushesPerMinute) return until - at
      counts.set(userId, taken + 1)
      return 0
    },
  }
}
