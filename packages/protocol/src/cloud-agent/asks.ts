/** Answers to what an agent asks: a question of its own, or whether it may use a tool. Source: 30-cloud-agent-api §4, §6. */
import { z } from 'zod'
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
export const permissionReplies = ['once', 'always', 'reject'] as const
export const answerPermissionInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    permissionId: askId,
    reply: z.enum(permissionReplies),
    message: text({ min: 0, max: 2000 }).optional(),
  }),
)
