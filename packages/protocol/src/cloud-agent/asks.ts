/** What an agent asks, a question of its own or whether it may use a tool, and answers to it. Source: 30-cloud-agent-api §4, §6. */
import { z } from 'zod'
import { type AskAnswer, type AskKind, type AskState, askStates, permissionReplies } from '../asks.ts'
import type { ExecutionId } from '../ids.ts'
import { list, text } from './fields.ts'
import { sessionNamed, sessionNames } from './names.ts'

const askId = text({ max: 100 })

/** One list per question, in their order, with the labels that were chosen or words of one's own. */
export const answerQuestionInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    questionId: askId,
    answers: list(list(text({ min: 0, max: 10_000 }), 100), 100),
  }),
)
export const rejectQuestionInput = sessionNamed(z.strictObject({ ...sessionNames, questionId: askId }))
export const answerPermissionInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    permissionId: askId,
    reply: z.enum(permissionReplies),
    message: text({ min: 0, max: 2000 }).optional(),
  }),
)
export const listAsksInput = sessionNamed(z.strictObject({ ...sessionNames, state: z.enum(askStates).optional() }))

/** An ask of a session or of its sub-agents. Times are Unix milliseconds. */
export type AskView = {
  id: string
  kind: AskKind
  executionId: ExecutionId
  state: AskState
  /** As the agent made it. */
  request: Record<string, unknown>
  askedAt: number
  expiresAt: number
  answer?: AskAnswer
  answeredBy?: string
}
