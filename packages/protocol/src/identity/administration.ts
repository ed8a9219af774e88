/** Inputs and answers of what administers users, organizations and keys. Times are Unix milliseconds. */
import { z } from 'zod'
import { clientId, organizationId, text, wholeNumber } from '../cloud-agent/fields.ts'
import { type OrganizationRole, organizationRoleSchema, type Scope, scopeSchema } from './scopes.ts'

const name = text({ max: 100 })
/** An id or an e-mail address. */
const user = text({ max: 320 })
const keyId = clientId

export const botIdSchema = z.string().regex(/^[a-z0-9-]{1,50}$/, 'must have 1 to 50 of a to z, 0 to 9 and -')
const day = 24 * 60 * 60

export const createApiKeyInput = z
  .strictObject({
    name,
    scopes: z.array(scopeSchema).min(1, 'must name a scope').default(['sessions:read', 'sessions:write']),
    /** Without it, the key works until it is revoked. */
    expiresInSeconds: wholeNumber(60, 3650 * day).optional(),
    /** The bot that acts with this key; its sessions are its user's. */
    botId: botIdSchema.optional(),
    /** Another user, whom only an operator may name. */
    user: user.optional(),
  })
  .refine(({ botId, scopes }) => botId === undefined || !scopes.includes('admin'), {
    path: ['scopes'],
    message: 'may not hold admin for a bot',
  })
export type CreateApiKeyInput = z.infer<typeof createApiKeyInput>
export const listApiKeysInput = z.strictObject({ user: user.optional() })
export const revokeApiKeyInput = z.strictObject({ keyId })

export type ApiKeyView = {
  keyId: string
  userId: string
  name: string
  /** The first characters of the key, for people to tell it from others. */
  start: string
  scopes: readonly Scope[]
  botId: string | null
  createdAt: number
  expiresAt: number | null
}
/** `key` is shown this once; Corral keeps its hash alone. */
export type CreatedApiKey = ApiKeyView & { key: string }

export const createOrganizationInput = z.strictObject({
  name,
  slug: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$/, 'must have 1 to 50 of a to z, 0 to 9 and -, and no - at its ends'),
  /** Its first owner; the caller, unless named. */
  owner: user.optional(),
})
export const listOrganizationsInput = z.strictObject({})
export const listMembersInput = z.strictObject({ organizationId })
export const memberInput = z.strictObject({ organizationId, user })
export const memberRoleInput = z.strictObject({ organizationId, user, role: organizationRoleSchema })

/** `role` is the caller's; null where an operator sees one that they are not in. */
export type OrganizationView = { organizationId: string; name: string; slug: string; role: OrganizationRole | null }
export type MemberView = { userId: string; name: string; email: string; role: OrganizationRole; since: number }

export const createUserInput = z.strictObject({
  name,
  email: z.email('must be an e-mail address').max(320, 'must have at most 320 characters').toLowerCase(),
  /** For the page. Without one they work with keys alone. */
  password: z
    .string()
    .min(12, 'must have at least 12 characters')
    .max(128, 'must have at most 128 characters')
    .optional(),
})
export const removeUserInput = z.strictObject({ user })
export const getProfileInput = z.strictObject({})
/** Of oneself. */
export const updateProfileInput = z.strictObject({ name })
export const listUsersInput = z.strictObject({})
/** Of the caller; operators run the installation. */
export type ProfileView = UserView & { isOperator: boolean }
export type UserView = { userId: string; name: string; email: string; createdAt: number }
