/**
 * Makes segments that wait for the server smaller: one takes the place of all of them. It begins with an
 * `events_dropped` that counts the numbers which are free now; what stays has the last of their numbers. So only
 * events that nobody has seen under their numbers may be rewritten. Invariant: whenever this is killed, the spool that
 * is opened next is the one before or the one after.
 */
import type { UpEvent } from '@corral/protocol'
import { isDiskFull } from '../host/errorCode.ts'
import { encodeEvent } from './encode.ts'
import type { OpenPart } from './openParts.ts'
import { planRewrite } from './rewritePlan.ts'
import { type Segment, writeSegment } from './segment.ts'

/** Of its bytes; for less it is not worth the writing. */
const leastGain = 0.1

/** Null when too little can go, or the disk is full: the segments stay as they are. Else they are gone. */
export function rewriteSegments(options: {
  folder: string
  /** One behind the other, without a gap between them. */
  segments: readonly Segment[]
  open: readonly OpenPart[]
}): Segment | null {
  const { folder, segments, open } = options
  const [first] = segments
  const last = segments.at(-1)
  if (!first || !last) return null
  const { stays, staying, added } = planRewrite(all(segments), open)
  const updates = added.map(({ update }) => encodeEvent(update).payload)
  const count = last.lastN + 1 - first.coversFrom - staying.count - updates.length - 1
  const bytes = updates.reduce((sum, update) => sum + update.length, staying.bytes)
  const before = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  if (count < 1 || bytes > (1 - leastGain) * before) return null

  const dropped: UpEvent = { type: 'events_dropped', data: { count } }
  function* payloads(): Generator<Buffer> {
    yield encodeEvent(dropped).payload
    let index = 0
    for (const payload of all(segments)) if (stays[index++]) yield payload
    yield* updates
  }
  try {
    const fresh = writeSegment(folder, first.coversFrom + count, payloads())
    for (const segment of segments) {
      if (segment.firstN === fresh.firstN) segment.close()
      else segment.remove()
    }
    return fresh
  } catch (error) {
    if (isDiskFull(error)) return null
    throw error
  }
}

/** Of the segments that were found, those that a rewriting had replaced and was killed before it could remove them. */
export const replacedSegments = (segments: readonly Segment[]): Segment[] =>
  segments.filter((old) =>
    segments.some(
      (fresh) =>
        fresh.firstN - fresh.coversFrom > old.firstN - old.coversFrom &&
        fresh.coversFrom <= old.coversFrom &&
        fresh.lastN >= old.lastN &&
        old.lastN >= old.firstN,
    ),
  )

function* all(segments: readonly Segment[]): Generator<Buffer> {
  for (const segment of segments) yield* segment.payloads()
}
