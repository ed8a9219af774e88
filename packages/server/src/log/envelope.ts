/** An event as viewers get it: serialized once, however many of them there are. */
import type { SessionId } from '@corral/protocol'
import type { StoredEvent } from './types.ts'

export type Frame = {
  seq: number
  type: StoredEvent['type']
  executionId?: StoredEvent['executionId']
  at: Date
  /** The `Envelope` of `@corral/protocol`, as JSON. */
  text: string
  /** Of `text`, in UTF-8. */
  bytes: number
}

/** More than what `frameOf` puts around `data`. */
export const envelopeBytes = 256

/** Ids and types need no escaping, and `data` is JSON already: nothing is serialized twice. */
export function frameOf(sessionId: SessionId, event: Omit<StoredEvent, 'sessionId'>): Frame {
  const { seq, type, executionId, at, data } = event
  const execution = executionId ? `"executionId":"${executionId}",` : ''
  const text = `{"eventId":${seq},"sessionId":"${sessionId}",${execution}"streamEventType":"${type}","timestamp":"${at.toISOString()}","data":${data}}`
  return { seq, type, executionId, at, text, bytes: Buffer.byteLength(text) }
}
