/**
 * The frames of the metadata feed `/api/user/events`: that a session of the user's has changed, and how it looks now. It
 * is no log and has no replay. Times are Unix milliseconds. Source: 31-ingest-and-facade (b).
 */
import { z } from 'zod'
import { agentSessionIdSchema, sessionIdSchema } from './ids.ts'
import { sessionRowSchema } from './ingest.ts'

const source = z.literal('v2')
const system = <Event extends string, Data extends z.ZodType>(event: Event, data: Data) =>
  z.object({ type: z.literal('system'), event: z.literal(event), data })

const changed = z.object({ source, session: sessionRowSchema, changedAt: z.number(), revision: z.number() })

const deleted = z.object({
  source,
  ...sessionRowSchema.pick({
    sessionId: true,
    organizationId: true,
    gitUrl: true,
    gitBranch: true,
    createdOnPlatform: true,
    revision: true,
  }).shape,
  cloudAgentSessionId: sessionIdSchema,
  parentSessionId: agentSessionIdSchema.nullable(),
  deletedAt: z.number(),
})
export type DeletedSession = z.output<typeof deleted>

const systemFrame = z.discriminatedUnion('event', [
  /** Everything that is committed after it will be told. */
  system('ready', z.object({ connectionId: z.string() })),
  system('session.created', changed),
  system('session.updated', changed),
  system('session.status.updated', changed),
  /** Or no longer this user's. */
  system('session.deleted', deleted),
  /** More was waiting than is kept: read again. */
  system('resync', z.object({})),
])
export type SystemFrame = z.output<typeof systemFrame>

/** A client asks for this to know whether the other side is still there. */
export const pongFrame = { type: 'pong' } as const
export const metadataFrameSchema = z.union([systemFrame, z.object({ type: z.literal('pong') })])
export type MetadataFrame = z.output<typeof metadataFrameSchema>

export const mostNarrowedIds = 100
