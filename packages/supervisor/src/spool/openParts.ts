/**
 * The texts and thoughts that still grow, as the events so far have made them: what a full update of each would say
 * now. Invariants: a part that is not here has its last full update among the events, has none, or is too large to be
 * told in one event; parts grow by the rule of the transcript's reducer.
 */
import { limits, type Part, type UpEvent } from '@corral/protocol'
import { mayGrow } from '@corral/transcript'
import { aboutPart } from './aboutPart.ts'

export type OpenParts = {
  /** To be told of every event that was recorded, in their order. */
  note(event: UpEvent): void
  /** Each part as it is now, in an event of its own. */
  updates(): OpenPart[]
}

export type OpenPart = { messageId: string; partId: string; update: UpEvent }

type Growing = { part: Part; executionId: UpEvent['executionId']; text: string; pieces: string[]; bytes: number }

/** Joined into one string then: each small one costs some 50 bytes besides its characters. */
const mostPieces = 1_000
/** What the envelope of an update takes. */
const envelopeBytes = 1024

export function createOpenParts(): OpenParts {
  const messages = new Map<string, Map<string, Growing>>()

  function open(part: Part, executionId: UpEvent['executionId']): void {
    forget(part.messageID, part.id)
    if (!mayGrow(part)) return
    const text = typeof part.text === 'string' ? part.text : ''
    const ofMessage = messages.get(part.messageID) ?? new Map<string, Growing>()
    ofMessage.set(part.id, { part, executionId, text, pieces: [], bytes: envelopeBytes + jsonBytes(part) })
    messages.set(part.messageID, ofMessage)
  }

  function grow(messageId: string, partId: string, delta: string): void {
    const growing = messages.get(messageId)?.get(partId)
    if (!growing) return
    growing.bytes += jsonBytes(delta)
    growing.pieces.push(delta)
    if (growing.bytes > limits.eventBytes) forget(messageId, partId)
    if (growing.pieces.length >= mostPieces) join(growing)
  }

  function forget(messageId: string, partId: string): void {
    const ofMessage = messages.get(messageId)
    ofMessage?.delete(partId)
    if (ofMessage?.size === 0) messages.delete(messageId)
  }

  return {
    note({ type, executionId, data }) {
      if (type !== 'kilocode') return
      const about = aboutPart(data)
      if (about?.kind === 'update') open(about.part, executionId)
      else if (about?.kind === 'delta' && about.field === 'text') grow(about.messageId, about.partId, about.delta)
      else if (about?.kind === 'partRemoved') forget(about.messageId, about.partId)
      else if (about?.kind === 'messageRemoved') messages.delete(about.messageId)
    },
    updates: () =>
      [...messages].flatMap(([messageId, parts]) =>
        [...parts].map(([partId, growing]) => {
          join(growing)
          const part = { ...growing.part, text: growing.text }
          const data = { type: 'message.part.updated', properties: { sessionID: part.sessionID, part } }
          return { messageId, partId, update: { type: 'kilocode', executionId: growing.executionId, data } }
        }),
      ),
  }
}

function join(growing: Growing): void {
  growing.text += growing.pieces.join('')
  growing.pieces = []
}

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value))
