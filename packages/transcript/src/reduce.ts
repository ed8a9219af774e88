/** Applies events to a transcript, one after the other, never changing the one it was given. */
import { type Change, changesOf, type LogEvent } from './change.ts'
import type { Transcript, TranscriptMessage, TranscriptPart } from './transcript.ts'

/** Events that the transcript has seen already are skipped, so that a replay may overlap. */
export function reduce(transcript: Transcript, event: LogEvent): Transcript {
  if (event.seq <= transcript.seq) return transcript
  const messages = changesOf(event).reduce((before, change) => apply(before, change, event.seq), transcript.messages)
  return { messages, seq: event.seq }
}

type Messages = Transcript['messages']

function apply(messages: Messages, change: Change, seq: number): Messages {
  switch (change.change) {
    case 'message': {
      const known = messages.get(change.info.id) ?? newMessage(change.info.id, seq)
      return withEntry(messages, change.info.id, {
        ...known,
        position: known.info ? known.position : seq,
        info: change.info,
        executionId: known.executionId ?? change.executionId,
      })
    }
    case 'part': {
      const { part } = change
      const message = messages.get(part.messageID) ?? newMessage(part.messageID, seq)
      const position = message.parts.get(part.id)?.position ?? seq
      return withEntry(messages, message.id, {
        ...message,
        executionId: message.executionId ?? change.executionId,
        parts: withEntry(message.parts, part.id, { part, position, foldedSeq: seq }),
      })
    }
    case 'delta': {
      const message = messages.get(change.messageId)
      const known = message?.parts.get(change.partId)
      // The agent opens a part with a full update before its deltas; without it there is nothing that could grow.
      if (!message || !known || seq <= known.foldedSeq) return messages
      return withEntry(messages, message.id, {
        ...message,
        parts: withEntry(message.parts, change.partId, grown(known, change.field, change.text, seq)),
      })
    }
    case 'removeMessage':
      return without(messages, change.messageId)
    case 'removePart': {
      const message = messages.get(change.messageId)
      if (!message) return messages
      return withEntry(messages, message.id, { ...message, parts: without(message.parts, change.partId) })
    }
  }
}

/** A part with the new characters of one of its members. */
export function grown(known: TranscriptPart, field: string, text: string, seq: number): TranscriptPart {
  const before = known.part[field]
  return {
    ...known,
    part: { ...known.part, [field]: (typeof before === 'string' ? before : '') + text },
    foldedSeq: seq,
  }
}

const newMessage = (id: string, position: number): TranscriptMessage => ({
  id,
  info: null,
  position,
  executionId: null,
  parts: new Map(),
})

function withEntry<V>(map: ReadonlyMap<string, V>, key: string, value: V): ReadonlyMap<string, V> {
  return new Map(map).set(key, value)
}

function without<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  const rest = new Map(map)
  rest.delete(key)
  return rest
}
