/**
 * The words of session ingest: what agents that run elsewhere push of their sessions, and what is answered. Validation
 * asks for identity only; everything else is kept as it came. Source: 31-ingest-and-facade (a).
 */
import { z } from 'zod'
import { type AgentSessionId, agentSessionIdSchema, sessionIdSchema } from './ids.ts'

/** `ses_` and 26 characters: the form of an agent's own id on these routes. */
export const pushedSessionIdSchema = z
  .string()
  .regex(/^ses_[0-9A-Za-z]{26}$/, 'must be ses_ followed by 26 letters and digits')
  .transform((id) => id as AgentSessionId)

export const createPushedSessionInput = z.looseObject({ sessionId: z.string() })

export const pushedItemTypes = [
  'session',
  'message',
  'part',
  'kilo_meta',
  'session_diff',
  'model',
  'session_open',
  'session_close',
  'session_status',
  'agent_notification',
  'session_pr_link',
] as const
export type PushedItemType = (typeof pushedItemTypes)[number]

/** No empty one, no `/` (it parts the two ids of a part), no U+0000. */
const itemId = z
  .string()
  .min(1)
  .max(128)
  .refine((id) => !id.includes('/') && !id.includes('\u0000'), 'must not hold / or U+0000')

/** What each type must have. */
export const pushedItemSchemas = {
  session: z.looseObject({}),
  message: z.looseObject({ id: itemId }),
  part: z.looseObject({ id: itemId, messageID: itemId }),
  kilo_meta: z.looseObject({
    platform: z.string().min(1).max(100),
    orgId: z.string().max(200).nullish(),
    gitUrl: z.string().max(2048).nullish(),
    gitBranch: z.string().max(256).nullish(),
  }),
  session_diff: z.array(z.unknown()),
  model: z.array(z.looseObject({ id: z.string() })),
  session_open: z.looseObject({}),
  session_close: z.looseObject({ reason: z.enum(['completed', 'error', 'interrupted']) }),
  session_status: z.looseObject({ status: z.string().min(1).max(64) }),
  agent_notification: z.looseObject({ id: itemId.max(64), message: z.string().max(500) }),
  session_pr_link: z.looseObject({
    platform: z.string().max(100).nullable(),
    prUrl: z.string().max(2048).nullable(),
    prNumber: z.number().int().nullable(),
  }),
} satisfies Record<PushedItemType, z.ZodType>

export const pushInput = z.looseObject({ data: z.array(z.unknown()) })

/** Why an item of a push was left out; the others of the push count. */
export type SkipReason = 'unknown_type' | 'invalid_item' | 'too_large'
export type PushAnswer = {
  success: true
  accepted: number
  /** Equal to what is stored, or older than it. */
  unchanged: number
  skipped: { index: number; reason: SkipReason }[]
}

/** A session as lists and the metadata feed show it. Times are Unix milliseconds. */
export const sessionRowSchema = z.object({
  sessionId: agentSessionIdSchema,
  cloudAgentSessionId: sessionIdSchema,
  createdAt: z.number(),
  updatedAt: z.number(),
  title: z.string(),
  createdOnPlatform: z.string(),
  organizationId: z.string().nullable(),
  gitUrl: z.string().nullable(),
  gitBranch: z.string().nullable(),
  parentSessionId: agentSessionIdSchema.nullable(),
  status: z.string().nullable(),
  statusUpdatedAt: z.number().nullable(),
  agentKind: z.string(),
  /** Rises with every change. */
  revision: z.number(),
})
export type SessionRow = z.output<typeof sessionRowSchema>

export const listRowsInput = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().max(100).optional(),
  gitUrl: z.string().max(2048).optional(),
  organizationId: z.string().max(200).optional(),
  roots: z.enum(['true', 'false']).optional(),
})
export type ListRowsInput = z.output<typeof listRowsInput>

export const messagePageInput = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  before: z.string().max(1024).optional(),
})

export const exportInput = z.strictObject({ after: z.coerce.number().int().nonnegative().optional() })

export const titleInput = z.strictObject({ title: z.string().trim().min(1).max(200), generated: z.boolean() })
export const renameNotifyInput = z.strictObject({ title: z.string().trim().min(1).max(200) })

/** In place of what is too large for a row. */
export const blobReferenceSchema = z.looseObject({ blob: z.strictObject({ id: z.string(), bytes: z.number() }) })
export type BlobReference = z.infer<typeof blobReferenceSchema>['blob']
