/**
 * The transcript of a session page by page, backwards from the newest message, each page as of one number of the log: who
 * has read one goes on with the stream from there, without a gap or a double. Source: 40-web-cli-sdk, "Session".
 */
import { z } from 'zod'
import type { Envelope, StreamEventType } from '../events.ts'
import { type AgentSessionId, agentSessionIdSchema, type ExecutionId, type SessionId } from '../ids.ts'
import type { MessageInfo, Part } from '../vocabulary.ts'
import { wholeNumber } from './fields.ts'
import { sessionNamed, sessionNames } from './names.ts'

export const getTranscriptInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    limit: wholeNumber(1, 200).default(100),
    /** As the page after it gave it: only what is before this position. */
    before: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
    /** A sub-agent's own conversation; otherwise the session's. */
    agentSessionId: agentSessionIdSchema.optional(),
  }),
)

/** What a page has of the log beside messages: how executions came, began and ended, and what was reported. */
export const turnEventTypes = [
  'queued',
  'started',
  'status',
  'finalization',
  'complete',
  'error',
  'interrupted',
  'events_dropped',
] as const satisfies StreamEventType[]
export type TurnEventType = (typeof turnEventTypes)[number]

/** `position`: the first `seq` that told of it, by which messages and parts are ordered. */
export type StoredMessage = {
  info: MessageInfo
  position: number
  executionId: ExecutionId | null
  parts: { part: Part; position: number }[]
}

export type TranscriptPage = {
  cloudAgentSessionId: SessionId
  /** Whose conversation it is: the session's, or a sub-agent's. */
  agentSessionId: AgentSessionId
  /** Everything up to here is contained. */
  seq: number
  /** Changes when the log's history is another one; what was read before is void then. */
  logId: string
  /** In their order; before them the user's message of the turn that they begin in, though it may lie further back. */
  messages: StoredMessage[]
  /** Of the executions of these messages and of the time in which they were said; in order. None with a sub-agent's. */
  events: Envelope[]
  /** How many messages of this page alone are larger than a page, and so left out. */
  omitted: number
  /** For the page before this one; null when this one begins at the beginning. */
  before: number | null
}
