/** Who may do what: the scopes of API keys and the roles in an organization. */
import { z } from 'zod'

/**
 * What an API key may be used for. A scope limits what a key's user may do anyway and grants nothing; none contains
 * another, so a key that may write sessions cannot read them unless it says so.
 */
export const scopes = ['sessions:read', 'sessions:write', 'admin'] as const
export type Scope = (typeof scopes)[number]
export const scopeSchema = z.enum(scopes)

/** From the least to the most; each may do what those before it may. */
export const organizationRoles = ['member', 'admin', 'owner'] as const
export type OrganizationRole = (typeof organizationRoles)[number]
export const organizationRoleSchema = z.enum(organizationRoles)
