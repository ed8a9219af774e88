/**
 * One record of a spool: length and CRC32 of the payload (both 32 bit, little endian), then the payload, one event
 * as JSON. A record that ends early or whose sum is wrong is torn; nothing after it counts.
 */
import { crc32 } from 'node:zlib'

const headerBytes = 8

export function encodeRecord(payload: Buffer): Buffer {
  const record = Buffer.allocUnsafe(headerBytes + payload.length)
  record.writeUInt32LE(payload.length, 0)
  record.writeUInt32LE(crc32(payload), 4)
  payload.copy(record, headerBytes)
  return record
}

/** `more`: how many bytes from `offset` on are needed to tell. */
export type Decoded = { payload: Buffer; next: number } | { more: number } | 'torn'

export function decodeRecord(bytes: Buffer, offset: number, maxPayloadBytes: number): Decoded {
  if (bytes.length - offset < headerBytes) return { more: headerBytes }
  const length = bytes.readUInt32LE(offset)
  if (length === 0 || length > maxPayloadBytes) return 'torn'
  const next = offset + headerBytes + length
  if (bytes.length < next) return { more: headerBytes + length }
  const payload = bytes.subarray(offset + headerBytes, next)
  return crc32(payload) === bytes.readUInt32LE(offset + 4) ? { payload, next } : 'torn'
}
