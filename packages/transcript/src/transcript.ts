/**
 * The transcript: messages and their parts, made from the log by one reducer. Invariant: applying the log from any
 * cursor gives the same transcript, before and after compaction. Everything here is pure.
 */
import type { ExecutionId, MessageInfo, Part } from '@corral/protocol'

/** A part as of `foldedSeq`: deltas up to that number are contained in it. */
export type TranscriptPart = { part: Part; position: number; foldedSeq: number }

/** `info` is null while only parts of the message have come; then `position` is the number of the event that brought it. */
export type TranscriptMessage = {
  id: string
  info: MessageInfo | null
  position: number
  executionId: ExecutionId | null
  parts: ReadonlyMap<string, TranscriptPart>
}

export type Transcript = { messages: ReadonlyMap<string, TranscriptMessage>; seq: number }

export const emptyTranscript: Transcript = { messages: new Map(), seq: 0 }

/** Messages that are complete enough to show, in order; parts in order within each. */
export function orderedMessages(
  transcript: Transcript,
): { message: TranscriptMessage & { info: MessageInfo }; parts: Part[] }[] {
  return [...transcript.messages.values()]
    .filter((message): message is TranscriptMessage & { info: MessageInfo } => message.info !== null)
    .toSorted((a, b) => a.position - b.position)
    .map((message) => ({
      message,
      parts: [...message.parts.values()].toSorted((a, b) => a.position - b.position).map(({ part }) => part),
    }))
}
