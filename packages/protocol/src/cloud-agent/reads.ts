/**
 * What is read of sessions: inputs, and the answers' shapes. Times are Unix milliseconds. Source:
 * 30-cloud-agent-api §4, §6, §13.
 */
import { z } from 'zod'
import { stepNames } from '../events.ts'
import {
  type AgentSessionId,
  agentSessionIdSchema,
  type ExecutionId,
  executionIdSchema,
  type SessionId,
  sessionIdSchema,
} from '../ids.ts'
import type { workspaceDiffSchema } from '../link.ts'
import { ptyIdSchema } from '../terminals.ts'
import type { CallbackView } from './callbacks.ts'
import { agentKind, cursor, gitUrl, organizationId, wholeNumber } from './fields.ts'
import { named, namesAgree, namesAgreeMessage, sessionNamed, sessionNames } from './names.ts'
import type { VisitRefusal } from './policies.ts'

export const getSessionInput = z
  .strictObject({ ...sessionNames, kiloSessionId: agentSessionIdSchema.optional() })
  .refine(namesAgree, namesAgreeMessage)
  .refine((input) => named(input) !== (input.kiloSessionId !== undefined), {
    message: 'exactly one of cloudAgentSessionId and kiloSessionId is needed',
    path: ['cloudAgentSessionId'],
  })
export const listSessionsInput = z.strictObject({
  limit: wholeNumber(1, 100).default(50),
  cursor: cursor.optional(),
  kilocodeOrganizationId: organizationId.optional(),
  gitUrl: gitUrl.optional(),
  agentKind: agentKind.optional(),
})
export type ListSessionsInput = z.infer<typeof listSessionsInput>
export const getMessageResultInput = sessionNamed(
  z.strictObject({ ...sessionNames, executionId: executionIdSchema, waitMs: wholeNumber(0, 30_000).default(0) }),
)
export const listExecutionsInput = sessionNamed(
  z.strictObject({ ...sessionNames, limit: wholeNumber(1, 100).default(50), cursor: cursor.optional() }),
)
export const getDiffInput = sessionNamed(z.strictObject({ ...sessionNames }))
const ofExecution = sessionNamed(z.strictObject({ ...sessionNames, executionId: executionIdSchema.optional() }))
export const getTimingInput = ofExecution
export const getUsageInput = ofExecution
export const getNetworkLogInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    /** The minutes in which it ran. */
    executionId: executionIdSchema.optional(),
    limit: wholeNumber(1, 1000).default(200),
    cursor: cursor.optional(),
  }),
)
export const streamTicketInput = z
  .strictObject({
    cloudAgentSessionId: sessionIdSchema,
    organizationId: organizationId.optional(),
    purpose: z.enum(['stream', 'terminal'], 'must be stream or terminal').default('stream'),
    ptyId: ptyIdSchema.optional(),
  })
  .refine(({ purpose, ptyId }) => (purpose === 'terminal') === (ptyId !== undefined), {
    message: 'is needed for a terminal, and for nothing else',
    path: ['ptyId'],
  })

/** What programs reached through the web proxy in one minute, newest first. Bytes are those to and from the host. */
export type NetworkVisit = {
  minute: number
  host: string
  port: number
  allowed: boolean
  reason?: VisitRefusal
  visits: number
  sentBytes: number
  receivedBytes: number
}
export type NetworkLog = { visits: NetworkVisit[]; nextCursor: string | null }

export const executionStates = ['queued', 'running', 'completed', 'failed', 'interrupted'] as const
export type ExecutionState = (typeof executionStates)[number]

export type ExecutionFailure = { reason: string; message: string; retryable: boolean; httpStatus: number }
/** One line of a session's history; `getMessageResult` says more. */
export type ExecutionSummary = {
  executionId: ExecutionId
  status: ExecutionState
  /** The beginning of its prompt. */
  prompt: string
  mode: string
  model: string
  createdAt: number
  startedAt?: number
  endedAt?: number
  failure?: ExecutionFailure
}
/** The newest first. */
export type ExecutionList = { executions: ExecutionSummary[]; nextCursor: string | null }
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
  callback?: Pick<CallbackView, 'state' | 'attempts'>
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
  /** `idle` is warm: a message reaches it without a start. */
  agentStatus: 'stopped' | 'starting' | 'idle' | 'working'
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
  /** Unix milliseconds of the earliest step; null when nothing has begun. */
  startTime: number | null
  /** In the order of their starts. */
  steps: TimingStep[]
  queuedMs: number | null
  /** Start of the first step of the set-up to the end of its last, which is `prompt_send`. */
  setupMs: number | null
  agentExecutionMs: number | null
  /** From the creation of the execution to the end of the last step. */
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
