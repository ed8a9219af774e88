/**
 * What an agent offers to do next, as Kilo does: a few words and up to ten actions, each with the prompt that it stands for.
 * Nothing waits for an answer: a turn goes on, and the next message takes what is open away. Source: 31 (c).
 */
import { z } from 'zod'
import { text, wholeNumber } from './cloud-agent/fields.ts'
import { sessionNamed, sessionNames } from './cloud-agent/names.ts'
import type { ExecutionId } from './ids.ts'
import { limits } from './limits.ts'

const id = z.string().min(1).max(200)

export const suggestionRequestSchema = z.looseObject({
  id,
  /** The root's, or that of a sub-agent. */
  sessionID: id,
  text: z.string().max(10_000),
  actions: z
    .array(
      z.looseObject({
        label: z.string().max(200),
        description: z.string().max(2_000).optional(),
        prompt: z.string().min(1).max(limits.promptCharacters),
      }),
    )
    .min(1)
    .max(10),
})
export type SuggestionRequest = z.infer<typeof suggestionRequestSchema>

export const suggestionStates = ['open', 'accepted', 'dismissed', 'withdrawn'] as const
export type SuggestionState = (typeof suggestionStates)[number]

const suggestionId = text({ max: 200 })
export const listSuggestionsInput = sessionNamed(
  z.strictObject({ ...sessionNames, state: z.enum(suggestionStates).optional() }),
)
export const acceptSuggestionInput = sessionNamed(
  z.strictObject({ ...sessionNames, suggestionId, index: wholeNumber(0, 9) }),
)
export const dismissSuggestionInput = sessionNamed(z.strictObject({ ...sessionNames, suggestionId }))

/** Times are Unix milliseconds. */
export type SuggestionView = {
  id: string
  executionId: ExecutionId
  state: SuggestionState
  /** As the agent made it. */
  request: Record<string, unknown>
  shownAt: number
  /** Which action was taken, and the execution that it became. */
  accepted?: { index: number; executionId: ExecutionId }
}
