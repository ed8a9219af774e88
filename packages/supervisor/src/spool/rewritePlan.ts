/**
 * Which of the events that wait for the server may go, and what is said in their place. Pure. Invariant: what stays,
 * in its order, and then the added updates make the same transcript as all of it, whatever the server has had before.
 * So a part keeps its first update, too, which gives it its place among the others; and deltas on a state that is not
 * known here stay.
 */
import { z } from 'zod'
import { aboutPart } from './aboutPart.ts'
import type { OpenPart } from './openParts.ts'

export type RewritePlan = {
  /** By the index of the event. */
  stays: readonly boolean[]
  staying: { count: number; bytes: number }
  /** To be told after what stays. */
  added: readonly OpenPart[]
}

/** What is known of a part's state further on: nothing; it is open at the end; a full update tells it; it was removed. */
type Later = 'unknown' | 'open' | 'told' | 'gone'
type PartState = { later: Later; opened: boolean; open: OpenPart | undefined; tellAgain: boolean; grows: Note }
type Note =
  | { kind: 'other' | 'dropped' }
  | { kind: 'opening' | 'update' | 'text' | 'otherDelta' | 'removal'; part: PartState }
  | { kind: 'messageRemoval'; parts: ReadonlyMap<string, PartState> }

const other: Note = { kind: 'other' }
const dropped: Note = { kind: 'dropped' }

/** `open`: the parts as all events so far, of which `payloads` are the last, have left them. */
export function planRewrite(payloads: Iterable<Buffer>, open: readonly OpenPart[]): RewritePlan {
  const messages = new Map<string, Map<string, PartState>>()
  const partsOf = (messageId: string): Map<string, PartState> => {
    const parts = messages.get(messageId) ?? new Map<string, PartState>()
    messages.set(messageId, parts)
    return parts
  }
  const stateOf = (messageId: string, partId: string): PartState => {
    const parts = partsOf(messageId)
    const known = parts.get(partId)
    if (known) return known
    const state: PartState = { later: 'unknown', opened: false, open: undefined, tellAgain: false, grows: other }
    // One note for all deltas of a part, of which there may be a hundred thousand.
    state.grows = { kind: 'text', part: state }
    parts.set(partId, state)
    return state
  }
  for (const part of open) {
    const state = stateOf(part.messageId, part.partId)
    state.later = 'open'
    state.open = part
  }

  function note(payload: Buffer): Note {
    const data = dataOf(payload)
    if (data === 'dropped') return dropped
    const about = data && aboutPart(data)
    if (!about) return other
    if (about.kind === 'messageRemoved') {
      const parts = partsOf(about.messageId)
      for (const part of parts.values()) part.opened = false
      return { kind: 'messageRemoval', parts }
    }
    const part = stateOf(about.messageId, about.partId)
    if (about.kind === 'delta') return about.field === 'text' ? part.grows : { kind: 'otherDelta', part }
    const kind = about.kind === 'partRemoved' ? 'removal' : part.opened ? 'update' : 'opening'
    part.opened = about.kind === 'update'
    return { kind, part }
  }

  const notes: Note[] = []
  const sizes: number[] = []
  for (const payload of payloads) {
    notes.push(note(payload))
    sizes.push(payload.length)
  }
  const stays: boolean[] = notes.map(() => true)
  const staying = { count: 0, bytes: 0 }
  // From the end on, so that what comes later is known.
  for (let i = notes.length - 1; i >= 0; i--) {
    stays[i] = staysBefore(notes[i] ?? other)
    if (!stays[i]) continue
    staying.count++
    staying.bytes += sizes[i] ?? 0
  }
  const added = [...messages.values()].flatMap((parts) =>
    [...parts.values()].flatMap((part) => (part.tellAgain && part.open ? [part.open] : [])),
  )
  return { stays, staying, added }
}

/** Decides one event by what comes after it, and notes what it says to those before it. */
function staysBefore(note: Note): boolean {
  switch (note.kind) {
    case 'other':
      return true
    // Its numbers are counted anew.
    case 'dropped':
      return false
    case 'text':
      if (note.part.later === 'open') note.part.tellAgain = true
      return note.part.later === 'unknown'
    case 'otherDelta':
      return note.part.later === 'unknown' || note.part.later === 'open'
    case 'opening':
    case 'update': {
      const { part } = note
      if (part.later === 'gone') return false
      const superseded = part.later === 'told' || part.tellAgain
      part.later = 'told'
      return !superseded || note.kind === 'opening'
    }
    case 'removal':
      note.part.later = 'gone'
      return true
    case 'messageRemoval':
      for (const part of note.parts.values()) part.later = 'gone'
      return true
  }
}

const agentsEvent = z.object({ data: z.object({ type: z.string(), properties: z.unknown() }) })

/** An event's type stands at its beginning, so most that are not the agent's need no reading. */
function dataOf(payload: Buffer): undefined | 'dropped' | { type: string; properties?: unknown } {
  const head = payload.toString('latin1', 0, 30)
  if (head.startsWith('{"type":"events_dropped"')) return 'dropped'
  if (!head.startsWith('{"type":"kilocode"')) return undefined
  return agentsEvent.safeParse(JSON.parse(payload.toString())).data?.data
}
