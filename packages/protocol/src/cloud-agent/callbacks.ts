/**
 * Callbacks: where a session's outcomes are sent, and how an owner looks after their delivery. Source:
 * 30-cloud-agent-api §14.
 */
import { z } from 'zod'
import type { FinalizationData } from '../events.ts'
import type { AgentSessionId, CallbackKeyId, DeliveryId, ExecutionId, SessionId } from '../ids.ts'
import { cursor, headers, httpUrl, organizationId, text, wholeNumber } from './fields.ts'
import { sessionNamed, sessionNames } from './names.ts'

/** What we say ourselves in a delivery, and what is about the connection and not about the request. */
const ourHeaders =
  /^(host|content-.*|transfer-encoding|connection|webhook-.*|x-corral-.*|keep-alive|te|trailer|upgrade|expect|date|proxy-.*)$/i
export const callbackHeaders = headers.superRefine((given, context) => {
  for (const name of Object.keys(given)) {
    if (ourHeaders.test(name)) context.addIssue({ code: 'custom', path: [name], message: 'is set by Corral itself' })
  }
})

export const callbackTargetSchema = z.strictObject({
  type: z.literal('http', 'must be http').default('http'),
  url: httpUrl,
  headers: callbackHeaders.optional(),
})
export type CallbackTarget = z.infer<typeof callbackTargetSchema>

export const deliveryStates = ['waiting', 'pending', 'delivered', 'dead'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** What a receiver is sent. Members that say nothing are left out. */
export type CallbackBody = {
  sessionId: SessionId
  cloudAgentSessionId: SessionId
  kiloSessionId: AgentSessionId
  executionId: ExecutionId
  /** The same for every attempt and redelivery; the `webhook-id`, too. */
  idempotencyKey: ExecutionId
  status: 'completed' | 'failed' | 'interrupted'
  errorMessage?: string | undefined
  reason?: string | undefined
  retryable?: boolean | undefined
  lastSeenBranch?: string | undefined
  /** Its first 100,000 characters. */
  lastAssistantMessageText?: string | undefined
  lastAssistantMessageTextTruncation?: { originalCharacters: number } | undefined
  commitHash?: string | undefined
  pushStatus?: FinalizationData['pushStatus']
  pullRequestUrl?: string | undefined
  /** Unix milliseconds. */
  completedAt: number
}

/** One try; `at` is Unix milliseconds. `error` where no status came: `timeout`, `connection_refused`, … */
export type CallbackAttempt = { at: number; status?: number; error?: string }
export type CallbackView = {
  deliveryId: DeliveryId
  executionId: ExecutionId
  /** `waiting` for the end of finalization, `pending` until it is one of the others. */
  state: DeliveryState
  /** The newest at the end. */
  attempts: CallbackAttempt[]
}
export type CallbackList = { callbacks: CallbackView[]; nextCursor: string | null }
/** What an owner's callbacks are signed with; `secret` is `whsec_…`. `expiresAt` once another has taken its place. */
export type CallbackKey = { keyId: CallbackKeyId; secret: string; createdAt: number; expiresAt?: number }

export const listCallbacksInput = sessionNamed(
  z.strictObject({
    ...sessionNames,
    state: z.enum(deliveryStates).optional(),
    limit: wholeNumber(1, 100).default(50),
    cursor: cursor.optional(),
  }),
)
export const redeliverCallbackInput = sessionNamed(z.strictObject({ ...sessionNames, deliveryId: text({ max: 100 }) }))
/** Keys belong to the owner of sessions: the user, or the organization that is named. */
export const callbackKeysInput = z.strictObject({ kilocodeOrganizationId: organizationId.optional() })
