/**
 * Who may do what, decided in one place for every face: pure, over who calls, what the call demands and, where an
 * organization is meant, which role the caller has in it now. Whose session it is, is one condition of SQL
 * (`sessions/access.ts`), so that another's cannot be told from none; that comes after this and never before.
 */
import { CorralError, type OrganizationRole, organizationRoles, scopeSchema } from '@corral/protocol'
import { z } from 'zod'
import type { Authenticated } from './caller.ts'

export const demandSchema = z.strictObject({
  scope: scopeSchema,
  /** Only our own back ends may ask. */
  internal: z.literal(true).optional(),
})
export type Demand = z.infer<typeof demandSchema>

/** Throws `internal_key_required` or `insufficient_scope`. Neither depends on what the call is about. */
export function authorize(caller: Authenticated, demand: Demand): void {
  if (demand.internal && !caller.internal) throw new CorralError('internal_key_required')
  if (!caller.proof.scopes.includes(demand.scope)) {
    throw new CorralError('insufficient_scope', {
      sentence: `This key lacks the scope ${demand.scope}; use one that has it.`,
    })
  }
}

/**
 * `role` is the caller's, null for who is no member and for an organization that is not there. Throws
 * `organization_not_found` for both, and `role_required` for a member who may not.
 */
export function authorizeRole(role: OrganizationRole | null, atLeast: OrganizationRole): void {
  if (role === null) throw new CorralError('organization_not_found')
  if (rank(role) < rank(atLeast)) {
    throw new CorralError('role_required', {
      sentence: `Only ${atLeast === 'owner' ? 'an owner' : 'an owner or an admin'} of this organization may do that.`,
    })
  }
}

const rank = (role: OrganizationRole) => organizationRoles.indexOf(role)
