/**
 * How often models may be called: for each session, and for all of an organization (a personal session counts for its
 * user). A bucket holds a minute's calls and fills evenly. Kept in this process: the next gateway begins with full ones.
 */
import { z } from 'zod'
import type { Grant } from './grants.ts'

const perMinute = z.number().int().min(1).optional()
/** Without one, there is no limit. */
export const rateLimitsSchema = z.strictObject({ sessionPerMinute: perMinute, organizationPerMinute: perMinute })
export type RateLimitSettings = z.output<typeof rateLimitsSchema>

export type RateLimited = {
  scope: 'session' | 'organization'
  perMinute: number
  /** Until one more call is let through, rounded up. */
  retryAfterS: number
}

export type RateLimits = {
  /** Null: it was counted and may be made. A call that is refused counts for nothing. */
  take(of: Pick<Grant, 'sessionId' | 'userId' | 'organizationId'>): RateLimited | null
}

type Bucket = { calls: number; at: number }

/** Forgetting the oldest fills its bucket. */
const maxKept = 10_000
const minuteMs = 60_000

export function createRateLimits(
  { sessionPerMinute, organizationPerMinute }: RateLimitSettings,
  now: () => number = () => performance.now(),
): RateLimits {
  const buckets = new Map<string, Bucket>()

  function filled(key: string, perMinute: number): Bucket {
    const known = buckets.get(key)
    const at = now()
    const calls = known ? Math.min(perMinute, known.calls + ((at - known.at) * perMinute) / minuteMs) : perMinute
    buckets.delete(key)
    const bucket = { calls, at }
    buckets.set(key, bucket)
    const oldest = buckets.keys().next().value
    if (buckets.size > maxKept && oldest !== undefined) buckets.delete(oldest)
    return bucket
  }

  return {
    take({ sessionId, userId, organizationId }) {
      const limits = [
        { scope: 'session', key: sessionId, perMinute: sessionPerMinute },
        { scope: 'organization', key: organizationId ?? `user ${userId}`, perMinute: organizationPerMinute },
      ] as const
      const counted = limits.flatMap(({ scope, key, perMinute }) =>
        perMinute === undefined ? [] : [{ scope, perMinute, bucket: filled(key, perMinute) }],
      )
      const empty = counted.find(({ bucket }) => bucket.calls < 1)
      if (empty) {
        const waitMs = ((1 - empty.bucket.calls) * minuteMs) / empty.perMinute
        return { scope: empty.scope, perMinute: empty.perMinute, retryAfterS: Math.ceil(waitMs / 1_000) }
      }
      for (const { bucket } of counted) bucket.calls -= 1
      return null
    },
  }
}
