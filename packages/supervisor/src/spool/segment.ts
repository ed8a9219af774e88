/**
 * One file of a spool: records in the order of their numbers, the first of which is the file's name. Invariants: only
 * whole records are counted; what a killed process or a full disk left behind the last whole one is cut off. A segment
 * that begins with `events_dropped` also stands for the numbers that this counts.
 */
import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { eventSchemas, limits } from '@corral/protocol'
import { z } from 'zod'
import { syncFolder } from '../host/replaceFile.ts'
import { decodeRecord, encodeRecord } from './record.ts'

/** An event at its largest, with room for what `JSON.stringify` of our own envelope adds. */
const maxPayloadBytes = limits.eventBytes + 64 * 1024
const readBytes = 256 * 1024

export type Segment = {
  readonly firstN: number
  /** `firstN`, or the first of the numbers that were dropped before it. */
  readonly coversFrom: number
  readonly lastN: number
  readonly bytes: number
  /** Throws and leaves the file as it was when the disk is full. */
  append(payload: Buffer): void
  sync(): void
  /** The records from byte `offset` on, as many as `accept` takes; answers the offset after the last one taken. */
  read(offset: number, accept: (payload: Buffer) => boolean): number
  /** Each is good until the next is asked for. */
  payloads(): Iterable<Buffer>
  close(): void
  remove(): void
}

const suffix = '.spool'
const unfinishedSuffix = '.spool.new'

const segmentName = (firstN: number): string => `${String(firstN).padStart(15, '0')}${suffix}`

export const firstNOf = (name: string): number | undefined =>
  name.endsWith(suffix) ? Number(name.slice(0, -suffix.length)) : undefined

/** A segment that was being written when its process was killed. */
export const isUnfinished = (name: string): boolean => name.endsWith(unfinishedSuffix)

/**
 * Writes a whole segment. It is there, on disk, under its name, or not at all; it takes the place of one with the same
 * first number.
 */
export function writeSegment(folder: string, firstN: number, payloads: Iterable<Buffer>): Segment {
  const path = join(folder, segmentName(firstN))
  const unfinished = join(folder, `${firstN}${unfinishedSuffix}`)
  const file = openSync(unfinished, 'w', 0o600)
  try {
    let pending: Buffer[] = []
    let bytes = 0
    const flush = () => {
      writeAll(file, Buffer.concat(pending))
      pending = []
      bytes = 0
    }
    for (const payload of payloads) {
      const record = encodeRecord(payload)
      pending.push(record)
      bytes += record.length
      if (bytes >= readBytes) flush()
    }
    flush()
    fdatasyncSync(file)
  } catch (error) {
    rmSync(unfinished)
    throw error
  } finally {
    closeSync(file)
  }
  renameSync(unfinished, path)
  syncFolder(folder)
  return openSegment(folder, firstN)
}

export function openSegment(folder: string, firstN: number): Segment {
  const path = join(folder, segmentName(firstN))
  const file = openSync(path, 'a+', 0o600)
  let bytes = 0
  let count = 0
  let dropped = 0

  function* records(from: number, until: number): Generator<{ payload: Buffer; next: number }> {
    // One buffer for the whole way: what is yielded is good until the next is asked for. No larger than there is to
    // read, which mostly is the one event that was just written.
    let space = Buffer.allocUnsafe(Math.min(readBytes, until - from))
    let buffer = space.subarray(0, 0)
    let start = from
    let offset = 0
    for (;;) {
      const decoded = decodeRecord(buffer, offset, maxPayloadBytes)
      if (decoded === 'torn') return
      if ('more' in decoded) {
        start += offset
        offset = 0
        if (decoded.more > space.length) space = Buffer.allocUnsafe(decoded.more)
        const got = readSync(file, space, 0, space.length, start)
        buffer = space.subarray(0, got)
        if (got < decoded.more) return
        continue
      }
      offset = decoded.next
      yield { payload: decoded.payload, next: start + offset }
    }
  }

  const size = fstatSync(file).size
  for (const { payload, next } of records(0, size)) {
    if (count === 0) dropped = droppedBefore(payload)
    bytes = next
    count++
  }
  if (size > bytes) ftruncateSync(file, bytes)
  // A file that is new must be found again after the machine went down.
  if (size === 0) syncFolder(folder)

  return {
    firstN,
    coversFrom: firstN - dropped,
    get lastN() {
      return firstN + count - 1
    },
    get bytes() {
      return bytes
    },
    append(payload) {
      const record = encodeRecord(payload)
      try {
        writeAll(file, record)
      } catch (error) {
        ftruncateSync(file, bytes)
        throw error
      }
      bytes += record.length
      count++
    },
    sync: () => fdatasyncSync(file),
    read(offset, accept) {
      let end = offset
      for (const { payload, next } of records(offset, bytes)) {
        if (!accept(payload)) break
        end = next
        if (end >= bytes) break
      }
      return end
    },
    *payloads() {
      for (const { payload } of records(0, bytes)) yield payload
    },
    close: () => closeSync(file),
    remove() {
      closeSync(file)
      unlinkSync(path)
    },
  }
}

function writeAll(file: number, bytes: Buffer): void {
  let written = 0
  while (written < bytes.length) written += writeSync(file, bytes, written)
}

const droppedSchema = z.object({ type: z.literal('events_dropped'), data: eventSchemas.events_dropped })

function droppedBefore(payload: Buffer): number {
  if (!payload.toString('latin1', 0, 30).startsWith('{"type":"events_dropped"')) return 0
  return droppedSchema.parse(JSON.parse(payload.toString())).data.count
}
