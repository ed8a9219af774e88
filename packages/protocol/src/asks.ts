/**
 * Asks: what an agent wants to know from people (questions) or wants to be allowed (permissions), which of them people are
 * asked at all, and which answers fit. Requests are in the agent's own form. Source: 30 §6 "answers", 32.
 */
import { z } from 'zod'
import type { PermissionAction, Permissions } from './cloud-agent/policies.ts'
import type { ExecutionId } from './ids.ts'

export const askKinds = ['question', 'permission'] as const
export type AskKind = (typeof askKinds)[number]

const askId = z.string().min(1).max(200)

export const questionSchema = z.looseObject({
  question: z.string(),
  header: z.string().optional(),
  options: z.array(z.looseObject({ label: z.string(), description: z.string().optional() })),
  /** Several labels may be chosen. */
  multiple: z.boolean().optional(),
  /** `false`: the options alone; otherwise a text of one's own is an answer, too. */
  custom: z.boolean().optional(),
})
export type Question = z.infer<typeof questionSchema>

export const questionRequestSchema = z.looseObject({
  id: askId,
  /** The root's, or that of a sub-agent. */
  sessionID: askId,
  questions: z.array(questionSchema).min(1).max(100),
})
export type QuestionRequest = z.infer<typeof questionRequestSchema>

export const permissionRequestSchema = z.looseObject({
  id: askId,
  sessionID: askId,
  /** The permission key: `bash`, `edit`, … */
  permission: z.string().min(1).max(200),
  patterns: z.array(z.string()),
  /** What `always` would allow from now on. */
  always: z.array(z.string()).optional(),
})
export type PermissionRequest = z.infer<typeof permissionRequestSchema>

export const permissionReplies = ['once', 'always', 'reject'] as const

/** The answer to an ask, as it is recorded and as it goes to the supervisor. */
export const askAnswerSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answers'), answers: z.array(z.array(z.string())) }),
  z.object({ kind: z.literal('rejected') }),
  z.object({ kind: z.literal('reply'), reply: z.enum(permissionReplies), message: z.string().optional() }),
])
export type AskAnswer = z.infer<typeof askAnswerSchema>

export const askStates = ['open', 'answered', 'expired', 'withdrawn'] as const
export type AskState = (typeof askStates)[number]

type OpenAsk = {
  executionId: ExecutionId
  /** ISO 8601. */
  askedAt: string
  /** When it counts as rejected; later when the server was away meanwhile. ISO 8601. */
  expiresAt: string
}
export type OpenQuestion = QuestionRequest & OpenAsk
export type OpenPermission = PermissionRequest & OpenAsk

/** What is wrong with these answers; null when they fit the questions. */
export function answersProblem(
  questions: readonly Question[],
  answers: readonly (readonly string[])[],
): { path: string; message: string } | null {
  if (answers.length !== questions.length) {
    return { path: 'answers', message: `needs one array per question: ${questions.length}, not ${answers.length}` }
  }
  for (const [i, question] of questions.entries()) {
    const chosen = answers[i] ?? []
    const message = problemOf(question, chosen)
    if (message) return { path: `answers.${i}`, message }
  }
  return null
}

function problemOf(question: Question, chosen: readonly string[]): string | null {
  if (chosen.length > 1 && question.multiple !== true) return 'takes one answer'
  if (new Set(chosen).size < chosen.length) return 'has the same answer twice'
  if (chosen.some((text) => text.trim() === '')) return 'has an empty answer'
  const labels = question.options.map(({ label }) => label)
  if (question.custom === false && chosen.some((text) => !labels.includes(text))) {
    return `must be of the options: ${labels.join(', ')}`
  }
  return null
}

/** Whether two answers say the same, so that a repeated call is no conflict. */
export function sameAnswer(one: AskAnswer, other: AskAnswer): boolean {
  if (one.kind === 'answers') {
    return other.kind === 'answers' && JSON.stringify(one.answers) === JSON.stringify(other.answers)
  }
  if (one.kind === 'rejected') return other.kind === 'rejected'
  return other.kind === 'reply' && one.reply === other.reply && (one.message ?? '') === (other.message ?? '')
}

/**
 * What the permissions of a session say of one use of a tool: the last rule that matches, else the default. `*` and `?` as the agents
 * read them: a trailing ` *` also matches nothing, so that `git *` is `git`, too.
 */
export function permissionAction(permissions: Permissions, use: { tool: string; pattern: string }): PermissionAction {
  const rule = permissions.rules.findLast(
    (candidate) =>
      (candidate.tool === '*' || candidate.tool === use.tool) && matches(candidate.pattern ?? '*', use.pattern),
  )
  return rule?.action ?? permissions.default
}

function matches(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source.endsWith(' .*') ? `${source.slice(0, -3)}( .*)?` : source}$`, 's').test(text)
}
