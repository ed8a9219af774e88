/**
 * What a session has to say in one epoch, on disk until the server has it. Invariants: numbers go up by one from the
 * spool's first, but for those that an `events_dropped` counts; an event is here before it is sent; a spool that is
 * opened again goes on where it ended; a segment is deleted only when all of it was acked a minute ago, and the newest
 * never; what may be with the server under its number stays as it is.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { limits } from '@corral/protocol'
import type { OpenParts } from './openParts.ts'
import { replacedSegments, rewriteSegments } from './rewrite.ts'
import { firstNOf, isUnfinished, openSegment, type Segment } from './segment.ts'

/** Acked events are kept this long, for a server whose database went back a little. */
const ackedKeptMs = 60_000
/** A spool that could not be made small enough is rewritten again when it has grown by as much. */
const growth = 1.5

export type SpoolSizes = { segmentBytes: number /** What may wait before it is rewritten. */; waitingBytes: number }
const spoolSizes: SpoolSizes = { segmentBytes: limits.spoolSegmentBytes, waitingBytes: limits.spoolBytes }

export type Spool = {
  readonly epoch: number
  /** The oldest event that is still here; `lastN + 1` when there is none. */
  readonly firstN: number
  readonly lastN: number
  readonly ackedN: number
  append(payload: Buffer, options: { durable: boolean }): number
  /**
   * The JSON of the events from `n` on, at least one where there is one. `from` is the number of the first, which is
   * greater than `n` when that was dropped; the others follow without a gap.
   */
  read(n: number, most: { events: number; bytes: number }): { from: number; payloads: Buffer[] }
  ack(n: number): void
  /** What the server has, which after a loss of its own may be less than it once acked. */
  resume(ackedN: number): void
  /** Deletes what has been acked for long enough. */
  sweep(now: number): void
  close(): void
  remove(): void
}

/** Numbers of the segments do not join: something other than a torn tail is missing. */
export class DamagedSpool extends Error {
  constructor(folder: string) {
    super(`The spool in ${folder} has a hole; its session needs a new epoch.`)
    this.name = 'DamagedSpool'
  }
}

/** `startN` is the number of the first event of a spool that has none yet. */
export function openSpool(options: {
  folder: string
  epoch: number
  startN: number
  openParts: Pick<OpenParts, 'updates'>
  sizes?: SpoolSizes
}): Spool {
  const { folder, epoch, openParts, sizes = spoolSizes } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  /** Full ones, oldest first; `newest` is the one that is written to. */
  const full = readSegments(folder)
  let newest = full.pop() ?? openSegment(folder, options.startN)
  const ackedAt = new Map<Segment, number>()
  const oldest = (): Segment => full[0] ?? newest
  let ackedN = oldest().coversFrom - 1
  /** What was read may be with the server. So may be whatever an earlier supervisor had. */
  let readN = newest.lastN
  let rewriteAboveBytes = sizes.waitingBytes
  /** Where the last read ended: reading on is the usual case and needs no search. */
  let cursor: { segment: Segment; n: number; offset: number } | null = null

  /** Reads from one segment; the caller goes on with the next. */
  function readFrom(segment: Segment, n: number, take: (payload: Buffer) => boolean): number {
    const known = cursor !== null && cursor.segment === segment && cursor.n <= n
    let at = known && cursor ? cursor.n : segment.firstN
    let refused = false
    const offset = segment.read(known && cursor ? cursor.offset : 0, (payload) => {
      if (at >= n && !take(payload)) {
        refused = true
        return false
      }
      at++
      return true
    })
    cursor = { segment, n: at, offset }
    return refused ? -1 : at
  }

  function setAcked(n: number): void {
    ackedN = Math.min(Math.max(n, oldest().coversFrom - 1), newest.lastN)
    const now = performance.now()
    for (const segment of full) {
      if (segment.lastN > ackedN) ackedAt.delete(segment)
      else if (!ackedAt.has(segment)) ackedAt.set(segment, now)
    }
  }

  function beginSegment(): void {
    const next = openSegment(folder, newest.lastN + 1)
    full.push(newest)
    newest = next
    const waiting = full.filter((segment) => segment.lastN > ackedN)
    const bytes = waiting.reduce((sum, segment) => sum + segment.bytes, 0)
    if (bytes <= sizes.waitingBytes) rewriteAboveBytes = sizes.waitingBytes
    if (bytes > rewriteAboveBytes) rewrite(bytes)
  }

  function rewrite(bytes: number): void {
    const untouched = full.findIndex((segment) => segment.firstN > Math.max(readN, ackedN))
    if (untouched === -1) return
    const segments = full.slice(untouched)
    const fresh = rewriteSegments({ folder, segments, open: openParts.updates() })
    if (fresh) full.splice(untouched, segments.length, fresh)
    const before = segments.reduce((sum, segment) => sum + segment.bytes, 0)
    rewriteAboveBytes = Math.max(sizes.waitingBytes, growth * (bytes - before + (fresh?.bytes ?? before)))
    cursor = null
  }

  return {
    epoch,
    get firstN() {
      return oldest().coversFrom
    },
    get lastN() {
      return newest.lastN
    },
    get ackedN() {
      return ackedN
    },
    append(payload, { durable }) {
      if (newest.bytes >= sizes.segmentBytes) beginSegment()
      newest.append(payload)
      if (durable) newest.sync()
      return newest.lastN
    },
    read(n, most) {
      const found: Buffer[] = []
      let bytes = 0
      let from = n
      let at = n
      for (const segment of [...full, newest]) {
        if (segment.lastN < at) continue
        if (segment.firstN > at) {
          // Numbers are missing here, which may only be so at the beginning of a frame.
          if (found.length > 0) break
          from = segment.firstN
          at = from
        }
        at = readFrom(segment, at, (payload) => {
          if (found.length >= most.events || (found.length > 0 && bytes + payload.length > most.bytes)) return false
          // Copied, since the payload is a view of the whole chunk that was read.
          found.push(Buffer.from(payload))
          bytes += payload.length
          return true
        })
        if (at === -1) break
      }
      readN = Math.max(readN, from + found.length - 1)
      return { from, payloads: found }
    },
    ack: (n) => setAcked(Math.max(ackedN, n)),
    resume: setAcked,
    sweep(now) {
      for (const [segment, since] of ackedAt) {
        if (now - since < ackedKeptMs) return
        full.shift()
        ackedAt.delete(segment)
        if (cursor?.segment === segment) cursor = null
        segment.remove()
      }
    },
    close() {
      for (const segment of [...full, newest]) segment.close()
    },
    remove() {
      for (const segment of [...full, newest]) segment.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** In the order of their numbers. A tail that was torn off leaves a hole only where a later segment follows. */
function readSegments(folder: string): Segment[] {
  const names = readdirSync(folder)
  for (const name of names.filter(isUnfinished)) rmSync(join(folder, name))
  const found = names
    .map(firstNOf)
    .filter((firstN) => firstN !== undefined)
    .sort((a, b) => a - b)
    .map((firstN) => openSegment(folder, firstN))
  const replaced = replacedSegments(found)
  for (const segment of replaced) segment.remove()
  const segments = found.filter((segment) => !replaced.includes(segment))
  for (const [i, segment] of segments.entries()) {
    const next = segments[i + 1]
    if (!next || next.coversFrom === segment.lastN + 1) continue
    for (const opened of segments) opened.close()
    throw new DamagedSpool(folder)
  }
  return segments
}
