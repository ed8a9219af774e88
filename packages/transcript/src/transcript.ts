/**
 * The transcript: messages and their parts, made from the log by one reducer. Invariant: applying the log from any
 * cursor gives the same transcript, before and after compaction. Everything here is pure.
 */
import type { ExecutionId, MessageInfo, Part } from '@corral/protocol'

/** `position` is the number of the first event that told of it; the order of messages, and of parts in a message. */
export type TranscriptPart = { part: Part; position: number }
export type TranscriptMessage = {
  info: MessageInfo
  position: number
  /** The first that an event of the message named. */
  executionId: ExecutionId | null
}

export type Transcript = {
  messages: ReadonlyMap<string, TranscriptMessage>
  /** By message and then by part. A part may come before its message. */
  parts: ReadonlyMap<string, ReadonlyMap<string, TranscriptPart>>
  /** The last event that is contained. */
  seq: number
}

export const emptyTranscript: Transcript = { messages: new Map(), parts: new Map(), seq: 0 }

/** Messages in order, each with its parts in order. Parts without a message wait for it unseen. */
export function orderedMessages(transcript: Transcript): { message: TranscriptMessage; parts: Part[] }[] {
  return inOrder(transcript.messages).map((message) => ({
    message,
    parts: inOrder(transcript.parts.get(message.info.id) ?? new Map()).map(({ part }) => part),
  }))
}

const inOrder = <T extends { position: number }>(entries: ReadonlyMap<string, T>): T[] =>
  [...entries.values()].toSorted((a, b) => a.position - b.position)

/** Only the text of texts and thoughts grows by deltas, and only until they have an end. */
export function mayGrow({ type, time }: Part): boolean {
  return (type === 'text' || type === 'reasoning') && !hasEnd(time)
}

function hasEnd(time: unknown): boolean {
  return typeof time === 'object' && time !== null && 'end' in time && typeof time.end === 'number'
}
