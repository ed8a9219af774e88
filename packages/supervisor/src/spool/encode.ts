/**
 * An event as it is spooled and sent: one JSON text. Invariants: U+0000 and lone surrogates never leave (PostgreSQL
 * takes neither); an event over 8 MiB becomes an `error` without a reason.
 */
import { limits, type UpEvent } from '@corral/protocol'

/** `event` is what was encoded: the one that was given, or the `error` in its place. */
export function encodeEvent(given: UpEvent): { event: UpEvent; payload: Buffer } {
  const payload = Buffer.from(safeJson(given))
  if (payload.length <= limits.eventBytes) return { event: given, payload }
  const { type, executionId } = given
  const error = `An event was larger than ${limits.eventBytes / 1024 / 1024} MiB and is not kept.`
  const details = { rejectedType: type, bytes: payload.length }
  const event: UpEvent = { type: 'error', executionId, data: { error, details } }
  return { event, payload: Buffer.from(safeJson(event)) }
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
