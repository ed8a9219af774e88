/**
 * The one way in which a session says something: an event is made safe, bounded and spooled here, then offered to
 * the link. Invariants: U+0000 and lone surrogates never leave (PostgreSQL takes neither); an event over 8 MiB
 * becomes an `error` without a reason; a full disk costs telling, never a crash and never a lifecycle event that the
 * reserve has room for.
 */
import { limits, type UpEvent, type UpType } from '@corral/protocol'
import { isDiskFull } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
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
  reserve: Reserve
  /** Something waits to be sent. */
  appended(): void
  log: Log
}): Journal {
  const { spool, reserve, appended, log } = options

  function write(payload: Buffer, durable: boolean): boolean {
    try {
      spool.append(payload, { durable })
    } catch (error) {
      if (!isDiskFull(error)) throw error
      return false
    }
    appended()
    return true
  }

  return {
    append(event, { durable = false } = {}) {
      const payload = encodeEvent(event)
      if (write(payload, durable)) return true
      if (lifecycle.has(event.type) && reserve.release() && write(payload, durable)) return true
      log('error', 'the disk is full: an event is not recorded', { type: event.type, bytes: payload.length })
      return false
    },
  }
}

export function encodeEvent(event: UpEvent): Buffer {
  const payload = Buffer.from(safeJson(event))
  if (payload.length <= limits.eventBytes) return payload
  return Buffer.from(
    safeJson({
      type: 'error',
      executionId: event.executionId,
      data: {
        error: `An event was larger than ${limits.eventBytes / 1024 / 1024} MiB and is not kept.`,
        details: { rejectedType: event.type, bytes: payload.length },
      },
    } satisfies UpEvent),
  )
}

function safeJson(value: unknown): string {
  const text = JSON.stringify(value)
  // Both are escaped by `JSON.stringify`, so most texts are known to be safe without a second walk.
  if (!text.includes('\\u0000') && !text.includes('\\ud')) return text
  return JSON.stringify(value, (_key, member: unknown) => (isRecord(member) ? withSafeKeys(member) : safeValue(member)))
}

const safeText = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD')
const safeValue = (value: unknown): unknown => (typeof value === 'string' ? safeText(value) : value)
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const withSafeKeys = (record: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [safeText(key), value]))
