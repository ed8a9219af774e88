/**
 * The one way in which a session says something: an event is made safe, bounded and spooled here, then offered to
 * the link. Invariants: a full disk costs telling, never a crash and never a lifecycle event that the reserve has room
 * for; what was recorded, and nothing else, is noted for the rewriting of the spool.
 */
import type { UpEvent, UpType } from '@corral/protocol'
import { isDiskFull } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
import { encodeEvent } from './encode.ts'
import type { OpenParts } from './openParts.ts'
import type { Reserve } from './reserve.ts'
import type { SessionSpool } from './sessionSpool.ts'

export type Journal = {
  /** False when the disk is full: the event is not recorded. `durable` has it on disk before the call returns. */
  append(event: UpEvent, options?: { durable?: boolean }): boolean
}

/** What the server must learn even when the disk is full. */
const lifecycle: ReadonlySet<UpType> = new Set<UpType>([
  'prepared',
  'accepted',
  'started',
  'outcome',
  'stopped',
  'finalized',
  'finalization',
])

export function createJournal(options: {
  spool: SessionSpool
  openParts: OpenParts
  reserve: Reserve
  /** Something waits to be sent. */
  appended(): void
  log: Log
}): Journal {
  const { spool, openParts, reserve, appended, log } = options

  function write({ event, payload }: ReturnType<typeof encodeEvent>, durable: boolean): boolean {
    try {
      spool.append(payload, { durable })
    } catch (error) {
      if (!isDiskFull(error)) throw error
      return false
    }
    openParts.note(event)
    appended()
    return true
  }

  return {
    append(event, { durable = false } = {}) {
      const encoded = encodeEvent(event)
      if (write(encoded, durable)) return true
      if (lifecycle.has(event.type)) {
        // Another session may have given it back a moment ago; what it left is for this one, too.
        reserve.release()
        if (write(encoded, durable)) return true
      }
      log('error', 'the disk is full: an event is not recorded', { type: event.type, bytes: encoded.payload.length })
      return false
    },
  }
}
