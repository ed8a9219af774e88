/**
 * Organizations and their members. Invariants: an organization keeps an owner; only an owner makes, changes or removes
 * one; what one is not in looks like what is not there. Changes of one organization follow each other by its row's lock.
 */
import {
  CorralError,
  type createOrganizationInput,
  type MemberView,
  type memberRoleInput,
  type OrganizationRole,
  type OrganizationView,
} from '@corral/protocol'
import { and, asc, eq } from 'drizzle-orm'
import type { z } from 'zod'
import { member, organization, user } from '../database/identityTables.ts'
import type { Database, Tx } from '../database/transaction.ts'
import { recordAudit } from './audit.ts'
import { authorizeRole } from './authorize.ts'
import type { Authenticated } from './caller.ts'
import { isOperator, requireOperator, requireRole, roleIn, roleOf } from './roles.ts'
import { findUser, meantUser } from './users.ts'

type Change = z.output<typeof memberRoleInput>

export function createOrganizations(deps: { database: Database; changed(): void }) {
  const { database, changed } = deps
  const { orm } = database

  /** Under the organization's lock, with the roles of the caller and of the one who is meant. */
  async function change<T>(
    caller: Authenticated,
    where: { organizationId: string; user: string },
    run: (tx: Tx, at: { callers: OrganizationRole; theirs: OrganizationRole | null; userId: string }) => Promise<T>,
  ): Promise<T> {
    const { organizationId } = where
    return database.transaction(async (tx) => {
      await requireRole(tx.orm, caller, organizationId, 'member')
      await tx.orm.select().from(organization).where(eq(organization.id, organizationId)).for('update')
      // Asked again, since it may have changed while we waited.
      const callers = await requireRole(tx.orm, caller, organizationId, 'member')
      const meant = await findUser(tx.orm, where.user)
      const isSelf = meant?.id === caller.userId
      if (!isSelf) authorizeRole(callers, 'admin')
      if (!meant) throw new CorralError('user_not_found')
      return run(tx, { callers, theirs: await roleIn(tx.orm, meant.id, organizationId), userId: meant.id })
    })
  }

  /** Owners are made, changed and removed by owners, and the last one stays. */
  async function guardOwners(
    tx: Tx,
    organizationId: string,
    at: { callers: OrganizationRole; from: OrganizationRole | null; to: OrganizationRole | null },
  ): Promise<void> {
    if (at.from !== 'owner' && at.to !== 'owner') return
    authorizeRole(at.callers, 'owner')
    if (at.from !== 'owner' || at.to === 'owner') return
    const rows = await tx.orm
      .select({ role: member.role })
      .from(member)
      .where(eq(member.organizationId, organizationId))
    if (rows.filter(({ role }) => roleOf(role) === 'owner').length < 2) throw new CorralError('last_owner')
  }

  const membership = (userId: string, organizationId: string) =>
    and(eq(member.userId, userId), eq(member.organizationId, organizationId))

  return {
    /** By operators; others have theirs made. */
    async create(caller: Authenticated, input: z.output<typeof createOrganizationInput>): Promise<OrganizationView> {
      const { name, slug } = input
      await requireOperator(orm, caller)
      const ownerId = await meantUser(orm, caller, input.owner)
      return database.transaction(async (tx) => {
        const id = crypto.randomUUID()
        const [made] = await tx.orm
          .insert(organization)
          .values({ id, name, slug })
          .onConflictDoNothing({ target: organization.slug })
          .returning()
        if (!made)
          throw new CorralError('already_exists', { sentence: 'There is an organization of that slug already.' })
        await tx.orm
          .insert(member)
          .values({ id: crypto.randomUUID(), organizationId: id, userId: ownerId, role: 'owner' })
        const details = { name, slug, ownerId }
        await recordAudit(tx, caller, { action: 'organization.created', subject: id, organizationId: id, details })
        return { organizationId: id, name, slug, role: ownerId === caller.userId ? 'owner' : null }
      })
    },

    /** One's own; operators see all. */
    async list(caller: Authenticated): Promise<{ organizations: OrganizationView[] }> {
      const all = await isOperator(orm, caller)
      const rows = await orm
        .select({
          organizationId: organization.id,
          name: organization.name,
          slug: organization.slug,
          role: member.role,
        })
        .from(organization)
        .leftJoin(member, and(eq(member.organizationId, organization.id), eq(member.userId, caller.userId)))
        .orderBy(asc(organization.slug))
      const views = rows.map(({ role, ...row }) => ({ ...row, role: role === null ? null : roleOf(role) }))
      return { organizations: all ? views : views.filter(({ role }) => role !== null) }
    },

    async members(caller: Authenticated, organizationId: string): Promise<{ members: MemberView[] }> {
      await requireRole(orm, caller, organizationId, 'member')
      const rows = await orm
        .select({ userId: user.id, name: user.name, email: user.email, role: member.role, since: member.createdAt })
        .from(member)
        .innerJoin(user, eq(user.id, member.userId))
        .where(eq(member.organizationId, organizationId))
        .orderBy(asc(member.createdAt), asc(user.id))
      const members = rows.map((row) => ({ ...row, role: roleOf(row.role), since: row.since.getTime() }))
      return { members }
    },

    async add(caller: Authenticated, input: Change): Promise<{ success: true }> {
      const { organizationId, role } = input
      await change(caller, input, async (tx, { callers, theirs, userId }) => {
        authorizeRole(callers, 'admin')
        await guardOwners(tx, organizationId, { callers, from: theirs, to: role })
        if (theirs !== null) throw new CorralError('already_exists', { sentence: 'They are a member already.' })
        await tx.orm.insert(member).values({ id: crypto.randomUUID(), organizationId, userId, role })
        await recordAudit(tx, caller, { action: 'member.added', subject: userId, organizationId, details: { role } })
      })
      return { success: true }
    },

    async setRole(caller: Authenticated, input: Change): Promise<{ success: true }> {
      const { organizationId, role } = input
      await change(caller, input, async (tx, { callers, theirs, userId }) => {
        authorizeRole(callers, 'admin')
        if (theirs === null) throw new CorralError('member_not_found')
        await guardOwners(tx, organizationId, { callers, from: theirs, to: role })
        if (theirs === role) return
        await tx.orm.update(member).set({ role }).where(membership(userId, organizationId))
        const details = { from: theirs, to: role }
        await recordAudit(tx, caller, { action: 'member.role_changed', subject: userId, organizationId, details })
      })
      return { success: true }
    },

    /** By an admin, or by themselves. Their sessions of it are out of their reach from then on. */
    async remove(caller: Authenticated, input: Omit<Change, 'role'>): Promise<{ success: true }> {
      const { organizationId } = input
      await change(caller, input, async (tx, { callers, theirs, userId }) => {
        if (theirs === null) throw new CorralError('member_not_found')
        await guardOwners(tx, organizationId, { callers, from: theirs, to: null })
        await tx.orm.delete(member).where(membership(userId, organizationId))
        const details = { role: theirs }
        await recordAudit(tx, caller, { action: 'member.removed', subject: userId, organizationId, details })
        tx.afterCommit(changed)
      })
      return { success: true }
    },
  }
}
