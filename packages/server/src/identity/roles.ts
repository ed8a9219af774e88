/**
 * Which role somebody has in an organization now, read at every use. Operators of the installation are those who run
 * the organization that the first start made: its owners and admins.
 */
import { CorralError, type OrganizationRole, organizationRoles } from '@corral/protocol'
import { and, eq } from 'drizzle-orm'
import { member } from '../database/identityTables.ts'
import type { Orm } from '../database/transaction.ts'
import { authorizeRole } from './authorize.ts'
import type { Caller } from './caller.ts'

/** Fixed, so that a later start finds them under whatever name and e-mail address they have by then. */
export const operatorsOrganization = 'corral'
export const firstOperator = 'operator'

/** Null for who is no member, and for an organization that is not there. By the index `member_user_organization`. */
export async function roleIn(orm: Orm, userId: string, organizationId: string): Promise<OrganizationRole | null> {
  const [row] = await orm
    .select({ role: member.role })
    .from(member)
    .where(and(eq(member.userId, userId), eq(member.organizationId, organizationId)))
  return row ? roleOf(row.role) : null
}

/** better-auth may keep several roles of one member, separated by commas; the highest counts. */
export function roleOf(stored: string): OrganizationRole {
  const all = stored.split(',')
  return organizationRoles.findLast((role) => all.includes(role)) ?? 'member'
}

export async function requireRole(
  orm: Orm,
  caller: Caller,
  organizationId: string,
  atLeast: OrganizationRole,
): Promise<OrganizationRole> {
  const role = await roleIn(orm, caller.userId, organizationId)
  authorizeRole(role, atLeast)
  return role ?? 'member'
}

export async function isOperator(orm: Orm, caller: Caller): Promise<boolean> {
  const role = await roleIn(orm, caller.userId, operatorsOrganization)
  return role === 'owner' || role === 'admin'
}

export async function requireOperator(orm: Orm, caller: Caller): Promise<void> {
  if (!(await isOperator(orm, caller))) throw new CorralError('operator_required')
}
