/**
 * What a session is prepared with, and how that is changed before it begins. Inputs are strict: an unknown member is
 * refused by its name. Source: 30-cloud-agent-api §5, §6.
 */
import { z } from 'zod'
import { attachmentLimits, contentHashSchema } from '../attachments.ts'
import { agentSessionIdSchema } from '../ids.ts'
import { callbackTargetSchema } from './callbacks.ts'
import {
  agentKind,
  branch,
  clientId,
  formed,
  gitUrl,
  list,
  mode,
  model,
  organizationId,
  prompt,
  systemPrompt,
  table,
  text,
  token,
  variableName,
  variant,
  wholeNumber,
} from './fields.ts'
import { mcpServers } from './mcpServers.ts'
import { sessionNamed, sessionNames } from './names.ts'
import { isolationSchema, networkSchema, permissionsSchema } from './policies.ts'
import { encryptedSecrets } from './secrets.ts'

const minuteMs = 60_000

export const attachmentSchema = z.strictObject({
  /** Of the bytes, which were uploaded before. */
  sha256: contentHashSchema,
  filename: text({ max: 255 }),
  /** Taken and not used: what it is, its bytes say. */
  mimeType: text({ max: 255 }).optional(),
})
export const attachments = list(attachmentSchema, attachmentLimits.perPrompt)

export const pullRequestSchema = z.strictObject({
  title: text({ max: 200 }).optional(),
  base: branch.optional(),
  draft: z.boolean().optional(),
})
export type PullRequestRequest = z.infer<typeof pullRequestSchema>

/** Everything that may be changed until the session is initiated: single values … */
const scalars = {
  mode,
  model,
  variant,
  githubToken: token,
  gitToken: token,
  upstreamBranch: branch,
  autoCommit: z.boolean(),
  condenseOnComplete: z.boolean(),
  appendSystemPrompt: systemPrompt,
  pullRequest: pullRequestSchema,
  callbackTarget: callbackTargetSchema,
}
/** … and collections. */
const collections = {
  envVars: table(variableName, text({ min: 0, max: 256 }), 50),
  encryptedSecrets,
  setupCommands: list(text({ max: 500 }), 20),
  mcpServers,
}

export const configurationShape = {
  prompt,
  ...z.object(scalars).partial().shape,
  mode,
  model,
  ...z.object(collections).partial().shape,
  githubRepo: formed(/^[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+$/, 'must be owner/repo', { max: 200 }).optional(),
  gitUrl: gitUrl.optional(),
  platform: z.enum(['github', 'gitlab']).optional(),
  kilocodeOrganizationId: organizationId.optional(),
  agentKind: agentKind.optional(),
  shallow: z.boolean().optional(),
  attachments: attachments.optional(),
  createdOnPlatform: text({ max: 100 }).optional(),
  permissions: permissionsSchema.optional(),
  network: networkSchema.optional(),
  /** Tried in this order when the model cannot be had; five names with the model itself. */
  fallbackModels: list(model, 4).optional(),
  /** Of each execution. */
  timeoutMs: wholeNumber(1000, 24 * 60 * minuteMs).optional(),
  isolation: isolationSchema.optional(),
  /** Of our own back ends only: the branch that work lands on, and the bot that acts for the user. */
  sessionBranch: branch.optional(),
  botId: formed(/^[a-z0-9-]+$/, 'may hold lower-case letters, digits and dashes', { max: 50 }).optional(),
  /** Taken and not used: the installation is looked up. */
  githubInstallationId: z.union([text({ max: 100 }), z.number()]).optional(),
  clientId: clientId.optional(),
}

/** What depends on several members at once. */
type Combination = {
  mode?: string | null | undefined
  appendSystemPrompt?: string | null | undefined
  githubRepo?: string | undefined
  gitUrl?: string | undefined
  autoCommit?: boolean | null | undefined
  pullRequest?: unknown
}
export const combined = <S extends z.ZodType<Combination>>(schema: S) =>
  schema
    .refine((input) => (input.githubRepo === undefined) !== (input.gitUrl === undefined), {
      message: 'exactly one of githubRepo and gitUrl is needed',
      path: ['githubRepo'],
    })
    .refine((input) => combinationFault(input)?.path !== 'appendSystemPrompt', {
      message: 'is required with mode custom',
      path: ['appendSystemPrompt'],
    })
    .refine((input) => combinationFault(input)?.path !== 'pullRequest', {
      message: 'needs autoCommit',
      path: ['pullRequest'],
    })

/** The same for a configuration that a patch was laid over. Null when nothing is wrong. */
export function combinationFault(
  input: Pick<Combination, 'mode' | 'appendSystemPrompt' | 'autoCommit' | 'pullRequest'>,
): { path: 'appendSystemPrompt' | 'pullRequest'; message: string } | null {
  if (input.mode === 'custom' && !input.appendSystemPrompt) {
    return { path: 'appendSystemPrompt', message: 'is required with mode custom' }
  }
  if (input.pullRequest && input.autoCommit !== true) return { path: 'pullRequest', message: 'needs autoCommit' }
  return null
}

export const prepareSessionInput = combined(z.strictObject(configurationShape))
export type PrepareSessionInput = z.infer<typeof prepareSessionInput>

const { prompt: _, ...withoutPrompt } = configurationShape
/** A session that begins without a prompt, and waits for the first message. */
export const openSessionInput = combined(z.strictObject(withoutPrompt))
export type OpenSessionInput = z.infer<typeof openSessionInput>

/** The REST door accepts `organizationId` as a second name. */
export const restPrepareInput = combined(
  z.strictObject({ ...configurationShape, organizationId: organizationId.optional() }),
).refine(
  (input) =>
    input.organizationId === undefined ||
    input.kilocodeOrganizationId === undefined ||
    input.organizationId === input.kilocodeOrganizationId,
  { message: 'differs from kilocodeOrganizationId', path: ['organizationId'] },
)

/** A session that exists under both its ids already, but has no configuration. Its agent's id may be a bare UUID. */
export const prepareLegacySessionInput = sessionNamed(
  combined(
    z.strictObject({
      ...configurationShape,
      ...sessionNames,
      kiloSessionId: z.union([agentSessionIdSchema, z.uuid('must be ses_ followed by letters and digits, or a UUID')]),
    }),
  ),
)
export type PrepareLegacySessionInput = z.infer<typeof prepareLegacySessionInput>

/**
 * A patch: what is absent stays, `null` clears a single value, an empty collection empties, and anything else replaces
 * (collections whole, without merging).
 */
const patchShape = {
  mode: mode.nullable().optional(),
  model: model.nullable().optional(),
  variant: variant.nullable().optional(),
  githubToken: token.nullable().optional(),
  gitToken: token.nullable().optional(),
  upstreamBranch: branch.nullable().optional(),
  autoCommit: z.boolean().nullable().optional(),
  condenseOnComplete: z.boolean().nullable().optional(),
  appendSystemPrompt: systemPrompt.nullable().optional(),
  pullRequest: pullRequestSchema.nullable().optional(),
  callbackTarget: callbackTargetSchema.nullable().optional(),
  ...z.object(collections).partial().shape,
} satisfies Record<keyof typeof scalars | keyof typeof collections, z.ZodType>
export const updateSessionInput = sessionNamed(
  z.strictObject({ ...sessionNames, ...patchShape, expectedVersion: wholeNumber(1, 2_147_483_647).optional() }),
)
export type UpdateSessionInput = z.infer<typeof updateSessionInput>
export type SessionPatch = Omit<UpdateSessionInput, 'cloudAgentSessionId' | 'sessionId' | 'expectedVersion'>
