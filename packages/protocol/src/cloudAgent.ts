/**
 * Inputs and answers of the cloud-agent API: one set of schemas for the server, the SDK and the documentation.
 * Inputs are strict; limits are those of 30-cloud-agent-api §4 to §6 (characters are UTF-16 units).
 */
import { z } from 'zod'
import { stepNames } from './events.ts'
import {
  type AgentSessionId,
  agentSessionIdSchema,
  type ExecutionId,
  executionIdSchema,
  type SessionId,
  sessionIdSchema,
} from './ids.ts'
import { limits } from './limits.ts'
import type { workspaceDiffSchema } from './link.ts'

/** Free text. PostgreSQL takes no U+0000 and, in JSON, no half of a surrogate pair: both become U+FFFD. */
const text = () => z.string().overwrite((value) => value.toWellFormed().replaceAll('\0', '\uFFFD'))

const prompt = text().min(1).max(limits.promptCharacters)
const mode = z
  .string()
  .max(50)
  .regex(/^[a-z][a-z0-9-]*$/, 'must begin with a lower-case letter and hold lower-case letters, digits and dashes')
const model = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[A-Za-z0-9._\-/:]+$/, 'may hold letters, digits and . _ - / :')
const variant = text().min(1).max(50)
const clientId = z.string().regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 printable characters')
const organizationId = text().min(1).max(100)

/** The rules of `git check-ref-format --branch`, as far as its allowed characters leave them open. */
const branch = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[A-Za-z0-9._\-/]+$/, 'may hold letters, digits and . _ - /')
  .refine(
    (name) =>
      !name.startsWith('-') &&
      !name.includes('..') &&
      name
        .split('/')
        .every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock') && !part.endsWith('.')),
    'is not a valid branch name for git',
  )

const reservedVariables = /^(HOME|SESSION_ID|SESSION_HOME|CORRAL_.*|(https?|all|no|ftp)_proxy)$/i
const variableName = z
  .string()
  .max(256)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a valid variable name')
  .refine((name) => !reservedVariables.test(name), 'is reserved')

const envVars = z
  .record(variableName, text().max(256))
  .refine((vars) => Object.keys(vars).length <= 50, 'has more than 50 variables')
const setupCommands = z.array(text().min(1).max(500)).max(20)

/** The members of a session's configuration that this version supports. */
const configurationShape = {
  prompt,
  mode,
  model,
  variant: variant.optional(),
  githubRepo: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+$/, 'must be owner/repo')
    .optional(),
  gitUrl: text().min(1).max(2048).optional(),
  platform: z.enum(['github', 'gitlab']).optional(),
  kilocodeOrganizationId: organizationId.optional(),
  agentKind: text().min(1).max(50).optional(),
  envVars: envVars.optional(),
  setupCommands: setupCommands.optional(),
  upstreamBranch: branch.optional(),
  autoCommit: z.boolean().optional(),
  condenseOnComplete: z.boolean().optional(),
  shallow: z.boolean().optional(),
  appendSystemPrompt: text().max(10_000).optional(),
  createdOnPlatform: text().min(1).max(100).optional(),
  githubInstallationId: z.union([z.string(), z.number()]).optional(),
  clientId: clientId.optional(),
}

const oneRepository = (input: { githubRepo?: string | undefined; gitUrl?: string | undefined }) =>
  (input.githubRepo === undefined) !== (input.gitUrl === undefined)
const oneRepositoryMessage = { message: 'exactly one of githubRepo and gitUrl is needed', path: ['githubRepo'] }
const customNeedsPrompt = (input: { mode: string; appendSystemPrompt?: string | undefined }) =>
  input.mode !== 'custom' || input.appendSystemPrompt !== undefined
const customNeedsPromptMessage = { message: 'is required with mode custom', path: ['appendSystemPrompt'] }

export const prepareSessionInput = z
  .strictObject(configurationShape)
  .refine(oneRepository, oneRepositoryMessage)
  .refine(customNeedsPrompt, customNeedsPromptMessage)
export type PrepareSessionInput = z.infer<typeof prepareSessionInput>

/** The REST door accepts `organizationId` as a second name. */
export const restPrepareInput = z
  .strictObject({ ...configurationShape, organizationId: organizationId.optional() })
  .refine(oneRepository, oneRepositoryMessage)
  .refine(customNeedsPrompt, customNeedsPromptMessage)
  .refine(
    (input) =>
      input.organizationId === undefined ||
      input.kilocodeOrganizationId === undefined ||
      input.organizationId === input.kilocodeOrganizationId,
    { message: 'differs from kilocodeOrganizationId', path: ['organizationId'] },
  )

/** A session is named by `cloudAgentSessionId`, or `sessionId` as the seed's older clients do; both must agree. */
const sessionNames = { cloudAgentSessionId: sessionIdSchema.optional(), sessionId: sessionIdSchema.optional() }
type SessionNames = { cloudAgentSessionId?: SessionId | undefined; sessionId?: SessionId | undefined }
const namesAgree = (input: SessionNames) =>
  input.cloudAgentSessionId === undefined ||
  input.sessionId === undefined ||
  input.cloudAgentSessionId === input.sessionId
const namesAgreeMessage = { message: 'differs from cloudAgentSessionId', path: ['sessionId'] }
const named = (input: SessionNames) => (input.cloudAgentSessionId ?? input.sessionId) !== undefined
const namedMessage = { message: 'is required', path: ['cloudAgentSessionId'] }

/** The session that an input names; schemas guarantee that there is one. */
export function namedSession(input: SessionNames): SessionId {
  const id = input.cloudAgentSessionId ?? input.sessionId
  if (!id) throw new TypeError('the input names no session, though its schema requires one')
  return id
}

const sessionNamed = <S extends z.ZodType<SessionNames>>(schema: S) =>
  schema.refine(namesAgree, namesAgreeMessage).refine(named, namedMessage)

export const initiateInput = sessionNamed(
  z.strictObject({ ...sessionNames, kilocodeOrganizationId: organizationId.optional() }),
)
export const sendMessageInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    prompt,
    mode: mode.optional(),
    model: model.optional(),
    variant: variant.optional(),
    autoCommit: z.boolean().optional(),
    condenseOnComplete: z.boolean().optional(),
    appendSystemPrompt: text().max(10_000).optional(),
    clientId: clientId.optional(),
  }),
)
export type SendMessageInput = z.infer<typeof sendMessageInput>

export const getSessionInput = z
  .strictObject({ ...sessionNames, kiloSessionId: agentSessionIdSchema.optional() })
  .refine(namesAgree, namesAgreeMessage)
  .refine((input) => named(input) !== (input.kiloSessionId !== undefined), {
    message: 'exactly one of cloudAgentSessionId and kiloSessionId is needed',
    path: ['cloudAgentSessionId'],
  })
export const listSessionsInput = z.strictObject({
  limit: z.number().int().min(1).max(100).default(50),
  cursor: text().max(200).optional(),
  kilocodeOrganizationId: organizationId.optional(),
  gitUrl: text().min(1).max(2048).optional(),
  agentKind: text().min(1).max(50).optional(),
})
export type ListSessionsInput = z.infer<typeof listSessionsInput>
export const getMessageResultInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    executionId: executionIdSchema,
    waitMs: z.number().int().min(0).max(30_000).default(0),
  }),
)
export const interruptSessionInput = sessionNamed(
  z.strictObject({ ...sessionNames, executionId: executionIdSchema.optional() }),
)
export const deleteSessionInput = sessionNamed(z.strictObject({ ...sessionNames }))
export const getDiffInput = sessionNamed(z.strictObject({ ...sessionNames }))
export const getTimingInput = sessionNamed(
  z.strictObject({ ...sessionNames, executionId: executionIdSchema.optional() }),
)
export const updateExecutionInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    executionId: executionIdSchema,
    prompt: prompt.optional(),
    mode: mode.optional(),
    model: model.optional(),
  }),
)
export const streamTicketInput = z.strictObject({
  cloudAgentSessionId: sessionIdSchema,
  organizationId: organizationId.optional(),
  purpose: z.literal('stream').default('stream'),
})

export const executionStates = ['queued', 'running', 'completed', 'failed', 'interrupted'] as const
export type ExecutionState = (typeof executionStates)[number]

export type PreparedPair = { cloudAgentSessionId: SessionId; kiloSessionId: AgentSessionId; replayed?: boolean }
export type Ack = {
  cloudAgentSessionId: SessionId
  kiloSessionId: AgentSessionId
  executionId: ExecutionId
  status: 'queued' | 'started'
  streamUrl: string
}
export type ExecutionFailure = { reason: string; message: string; retryable: boolean; httpStatus: number }
export type MessageResult = {
  cloudAgentSessionId: SessionId
  kiloSessionId: AgentSessionId
  executionId: ExecutionId
  status: ExecutionState
  queuePosition?: number
  createdAt: number
  startedAt?: number
  endedAt?: number
  failure?: ExecutionFailure
  assistant?: { messageId: string; text: string }
  finalization?: unknown[]
}
export type InterruptResult = {
  success: true
  killedProcessIds: []
  failedProcessIds: []
  interruptedExecutionIds: ExecutionId[]
  message: string
}
/** `getSession`, and each entry of `listSessions` without `prompt`. Times are Unix milliseconds. */
export type SessionView = {
  sessionId: SessionId
  kiloSessionId: AgentSessionId
  userId: string
  orgId?: string
  sandboxId?: string
  agentKind: string
  githubRepo?: string
  gitUrl?: string
  prompt?: string
  mode?: string
  model?: string
  variant?: string
  autoCommit?: boolean
  condenseOnComplete?: boolean
  upstreamBranch?: string
  envVarCount: number
  secretCount: number
  setupCommandCount: number
  mcpServerCount: number
  hasCallback: boolean
  createdOnPlatform: string
  title?: string
  execution: {
    id: ExecutionId
    status: ExecutionState
    startedAt: number | null
    lastHeartbeat: number | null
    error: string | null
    health: 'healthy' | 'stale' | 'unknown'
  } | null
  queuedCount: number
  sandboxStatus: string
  workspace: { state: string; step?: string; reason?: string; message?: string }
  preparedAt?: number
  initiatedAt?: number
  latestEventId: number
  timestamp: number
  version: number
}
export type SessionList = { sessions: SessionView[]; nextCursor: string | null }

export const timingStepSchema = z.object({
  name: z.enum(stepNames),
  /** From the start of the earliest step. */
  startMs: z.number().int().nonnegative(),
  durationMs: z.number().int().nonnegative(),
  attempt: z.number().int(),
  status: z.enum(['running', 'ok', 'failed']),
  detail: z.string().optional(),
})
export type TimingStep = z.infer<typeof timingStepSchema>
export type Timing = {
  cloudAgentSessionId: SessionId
  executionId: ExecutionId | null
  startTime: number | null
  steps: TimingStep[]
  queuedMs: number | null
  setupMs: number | null
  agentExecutionMs: number | null
  totalMs: number | null
}

export type SessionDiff = z.infer<typeof workspaceDiffSchema> & {
  cloudAgentSessionId: SessionId
  branch: string | null
}

/** The export of a session: OpenCode's own export form, so that `opencode import` reads it. */
export type SessionExport = {
  info: Record<string, unknown>
  messages: { info: Record<string, unknown>; parts: Record<string, unknown>[] }[]
}
