/** What an agent asks people, as the log tells of it on top of what was read. Pure. */
import {
  type AskAnswer,
  type AskKind,
  type AskState,
  type AskView,
  type ExecutionId,
  type PermissionRequest,
  permissionRequestSchema,
  type QuestionRequest,
  questionRequestSchema,
  vocabulary,
} from '@corral/protocol'
import type { LogEvent } from '@corral/transcript'
import { z } from 'zod'

type About = {
  id: string
  executionId: ExecutionId | null
  state: AskState
  /** Unix milliseconds. */
  askedAt: number
  answer: AskAnswer | null
}
export type ConversationAsk = About &
  ({ kind: 'question'; request: QuestionRequest } | { kind: 'permission'; request: PermissionRequest })

type Asks = ReadonlyMap<string, ConversationAsk>

export function knownAsk({ id, kind, executionId, state, request, askedAt, answer }: AskView): ConversationAsk {
  return ask(kind, { id, executionId, state, askedAt, answer: answer ?? null }, request)
}

function ask(kind: AskKind, about: About, request: unknown): ConversationAsk {
  return kind === 'question'
    ? { ...about, kind, request: questionRequestSchema.parse(request) }
    : { ...about, kind, request: permissionRequestSchema.parse(request) }
}

const toldSchema = z.object({ type: z.string(), properties: z.looseObject({ by: z.string().optional() }) })

export function withAskEvent(asks: Asks, { data, at, executionId = null }: LogEvent): Asks {
  const { type, properties } = toldSchema.parse(data)
  switch (type) {
    case 'question.asked':
    case 'permission.asked': {
      const kind = type === 'question.asked' ? 'question' : 'permission'
      const { id } = vocabulary[type].parse(properties)
      // What was read may be newer than the event.
      if (asks.has(id)) return asks
      return new Map(asks).set(id, ask(kind, { id, executionId, state: 'open', askedAt: at, answer: null }, properties))
    }
    case 'question.replied': {
      const { requestID, answers } = vocabulary[type].parse(properties)
      return closed(asks, requestID, stateAfter(properties.by), { kind: 'answers', answers })
    }
    case 'question.rejected':
      return closed(asks, vocabulary[type].parse(properties).requestID, stateAfter(properties.by), { kind: 'rejected' })
    case 'permission.replied': {
      const { requestID, reply } = vocabulary[type].parse(properties)
      return closed(asks, requestID, stateAfter(properties.by), { kind: 'reply', reply })
    }
    default:
      return asks
  }
}

function closed(asks: Asks, id: string, state: AskState, answer: AskAnswer): Asks {
  const known = asks.get(id)
  if (known?.state !== 'open') return asks
  return new Map(asks).set(id, { ...known, state, answer: state === 'answered' ? answer : null })
}

/** `by` of the closing event: who closed it. */
function stateAfter(by: string | undefined): AskState {
  if (by === 'deadline') return 'expired'
  return by === 'end' ? 'withdrawn' : 'answered'
}
