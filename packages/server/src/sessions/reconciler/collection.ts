/**
 * When what lies on disk for a session is taken away, and whether there is room for new work: pure, over its facts and a
 * clock. Invariants: nothing is taken from a session that has work; what is taken to make room comes back whole, from
 * its checkpoint; what nobody has touched for long goes with its checkpoint, and only the log stays.
 */
import { failures } from '@corral/protocol'
import type { Timers } from '../../config.ts'
import type { SessionAction, SessionFacts } from './decide.ts'

/** What can be done about a disk that is too full: nothing need be, others are being collected, some could be, or nothing. */
export type Room = 'enough' | 'coming' | 'collectable' | 'none'

/** How long each further look at a full disk waits, in `diskRetryMs`. */
const retries = [1, 3, 6]
const collectingMs = 1_000

/** A session that is to be collected, now or at a time; null when it is not. */
export function untilCollected(facts: SessionFacts, now: Date, timers: Timers): SessionAction | null {
  const { workspace, untouchedSince } = facts
  const forRoom = workspace.state === 'collecting'
  const agedAt = untouchedSince && new Date(untouchedSince.getTime() + timers.sessionKeptMs)
  const aged = agedAt !== null && agedAt <= now
  if (!forRoom && !aged) return agedAt && { do: 'wait', until: agedAt }
  return untilRemovable(facts) ?? { do: 'collect', checkpointToo: aged }
}

/** What has to be before a session's files are removed; null when they may be: from outside, or by a supervisor that is there. */
export function untilRemovable({ sandbox, link }: SessionFacts): SessionAction | null {
  if (!sandbox || sandbox.state === 'stopped') return null
  if (sandbox.state === 'stopping') return { do: 'wait', until: null }
  if (sandbox.neighbors === 'none') return { do: 'stopSandbox', unless: ['idle', 'busy'] }
  return link && sandbox.state === 'ready' ? null : { do: 'wait', until: null }
}

/** What stands between the next execution and a disk with room for it; null when nothing does. */
export function untilRoom(
  { room, next, waitsForRoomSince }: SessionFacts,
  now: Date,
  timers: Timers,
): SessionAction | null {
  if (room === 'enough' || !next) return null
  if (room === 'collectable') return { do: 'makeRoom' }
  if (room === 'coming') return { do: 'wait', until: new Date(now.getTime() + collectingMs) }
  if (!waitsForRoomSince) return { do: 'waitForRoom' }
  let at = waitsForRoomSince.getTime()
  for (const times of retries) {
    at += times * timers.diskRetryMs
    if (at > now.getTime()) return { do: 'wait', until: new Date(at) }
  }
  return { do: 'fail', executionId: next.id, reason: 'disk_full', message: failures.disk_full.sentence }
}
