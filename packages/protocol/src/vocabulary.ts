/**
 * The event vocabulary of OpenCode, as far as Corral looks inside it. Everything else passes through as it came:
 * schemas here are loose on purpose, and name only the members that the transcript and the engine rely on.
 * Source: the OpenAPI document of `opencode serve` 1.18 (`/doc`).
 */
import { z } from 'zod'
import { permissionReplies, permissionRequestSchema, questionRequestSchema } from './asks.ts'
import { suggestionRequestSchema } from './suggestions.ts'

const id = z.string().min(1).max(200)

export const messageInfoSchema = z.looseObject({
  id,
  sessionID: id,
  role: z.enum(['user', 'assistant']),
  time: z.looseObject({ created: z.number() }),
})
/** A message without its parts. `id` and `sessionID` are ours where the adapter minted them. */
export type MessageInfo = z.infer<typeof messageInfoSchema>

export const partSchema = z.looseObject({ id, sessionID: id, messageID: id, type: z.string().min(1).max(100) })
/** One part of a message: text, reasoning, tool, file, step-start, … */
export type Part = z.infer<typeof partSchema>

export const partDeltaSchema = z.looseObject({
  sessionID: id,
  messageID: id,
  partID: id,
  /** The member of the part that grows, e.g. `text`. */
  field: z.string().min(1).max(100),
  /** The new characters only. */
  delta: z.string(),
})
export type PartDelta = z.infer<typeof partDeltaSchema>

/** `properties` of the event types that are looked into; any other type is accepted unseen. */
export const vocabulary = {
  'message.updated': z.looseObject({ info: messageInfoSchema }),
  'message.removed': z.looseObject({ sessionID: id, messageID: id }),
  'message.part.updated': z.looseObject({ part: partSchema }),
  'message.part.delta': partDeltaSchema,
  'message.part.removed': z.looseObject({ sessionID: id, messageID: id, partID: id }),
  'session.status': z.looseObject({ sessionID: id, status: z.looseObject({ type: z.string() }) }),
  'session.updated': z.looseObject({ info: z.looseObject({ id }) }),
  'question.asked': questionRequestSchema,
  'question.replied': z.looseObject({ sessionID: id, requestID: id, answers: z.array(z.array(z.string())) }),
  'question.rejected': z.looseObject({ sessionID: id, requestID: id }),
  'permission.asked': permissionRequestSchema,
  'permission.replied': z.looseObject({ sessionID: id, requestID: id, reply: z.enum(permissionReplies) }),
  'suggestion.shown': suggestionRequestSchema,
  'suggestion.accepted': z.looseObject({ sessionID: id, requestID: id, index: z.number().int().nonnegative() }),
  'suggestion.dismissed': z.looseObject({ sessionID: id, requestID: id }),
} as const

export type KnownKilocodeType = keyof typeof vocabulary

/** They open and close asks, so they change more than the transcript. */
export const askEventTypes = [
  'question.asked',
  'question.replied',
  'question.rejected',
  'permission.asked',
  'permission.replied',
] as const satisfies KnownKilocodeType[]
export type AskEventType = (typeof askEventTypes)[number]
export const isAskEvent = (type: string): type is AskEventType => (askEventTypes as readonly string[]).includes(type)

/** They are rows of their own, too, and hold nothing up. */
export const isSuggestionEvent = (type: string): boolean => type.startsWith('suggestion.')

export const kilocodeDataSchema = z
  .looseObject({ type: z.string().min(1).max(100), properties: z.looseObject({}) })
  .superRefine((event, context) => {
    if (!Object.hasOwn(vocabulary, event.type)) return
    const result = vocabulary[event.type as KnownKilocodeType].safeParse(event.properties)
    if (!result.success)
      for (const issue of result.error.issues)
        context.addIssue({ ...issue, path: ['properties', ...issue.path] } as never)
  })
export type KilocodeData = z.infer<typeof kilocodeDataSchema>
