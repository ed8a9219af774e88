/** Users: made, listed and removed by operators. Who may not ask learns nothing of who there is. */
import {
  CorralError,
  type createUserInput,
  invalidInput,
  type ProfileView,
  type UserView,
  type updateProfileInput,
} from '@corral/protocol'
import { asc, eq, inArray, or } from 'drizzle-orm'
import type { z } from 'zod'
import { account, apikey, member, organization, user } from '../database/identityTables.ts'
import type { Database, Orm } from '../database/transaction.ts'
import { recordAudit } from './audit.ts'
import type { Authenticated } from './caller.ts'
import { firstOperator, isOperator, requireOperator, roleOf } from './roles.ts'

type UserRow = typeof user.$inferSelect

/** Ends and deletes every session of a user. */
type RemoveSessionsOf = (userId: string, by: Authenticated) => Promise<void>

export function createUsers(deps: {
  database: Database
  hashPassword(password: string): Promise<string>
  changed(): void
}) {
  const { database, hashPassword, changed } = deps
  return {
    async create(caller: Authenticated, input: z.output<typeof createUserInput>): Promise<UserView> {
      const { name, email, password } = input
      await requireOperator(database.orm, caller)
      const hash = password === undefined ? null : await hashPassword(password)
      return database.transaction(async (tx) => {
        const [made] = await tx.orm
          .insert(user)
          .values({ id: crypto.randomUUID(), name, email, emailVerified: true })
          .onConflictDoNothing({ target: user.email })
          .returning()
        if (!made)
          throw new CorralError('already_exists', { sentence: 'There is a user with that e-mail address already.' })
        if (hash !== null) {
          const credential = { id: crypto.randomUUID(), accountId: made.id, providerId: 'credential', userId: made.id }
          await tx.orm.insert(account).values({ ...credential, password: hash })
        }
        await recordAudit(tx, caller, { action: 'user.created', subject: made.id, details: { name, email } })
        return viewOf(made)
      })
    },

    /** With their keys, sign-ins, memberships and sessions. The first operator stays, whom every start looks for. */
    async remove(caller: Authenticated, named: string, removeSessionsOf: RemoveSessionsOf): Promise<{ success: true }> {
      await requireOperator(database.orm, caller)
      const found = await findUser(database.orm, named)
      if (!found) throw new CorralError('user_not_found')
      const { id, name, email } = found
      if (id === caller.userId) throw invalidInput('user', 'may not be yourself')
      if (id === firstOperator) throw invalidInput('user', 'may not be the first operator')
      await requireOtherOwners(database.orm, id)
      await removeSessionsOf(id, caller)
      await database.transaction(async (tx) => {
        await requireOtherOwners(tx.orm, id)
        await tx.orm.delete(apikey).where(eq(apikey.referenceId, id))
        const gone = await tx.orm.delete(user).where(eq(user.id, id)).returning()
        if (gone.length === 0) throw new CorralError('user_not_found')
        await recordAudit(tx, caller, { action: 'user.removed', subject: id, details: { name, email } })
        tx.afterCommit(changed)
      })
      // What they started while we were at it.
      await removeSessionsOf(id, caller)
      return { success: true }
    },

    async profile(caller: Authenticated): Promise<ProfileView> {
      const found = await findUser(database.orm, caller.userId)
      if (!found) throw new CorralError('user_not_found')
      return { ...viewOf(found), isOperator: await isOperator(database.orm, caller) }
    },

    async rename(caller: Authenticated, { name }: z.output<typeof updateProfileInput>): Promise<{ success: true }> {
      await database.transaction(async (tx) => {
        await tx.orm.update(user).set({ name }).where(eq(user.id, caller.userId))
        await recordAudit(tx, caller, { action: 'user.renamed', subject: caller.userId, details: { name } })
      })
      return { success: true }
    },

    async list(caller: Authenticated): Promise<{ users: UserView[] }> {
      await requireOperator(database.orm, caller)
      const rows = await database.orm.select().from(user).orderBy(asc(user.createdAt), asc(user.id))
      return { users: rows.map(viewOf) }
    },
  }
}

/** Under the locks of their organizations, if this is a transaction, so that two owners are not removed at once. */
async function requireOtherOwners(orm: Orm, userId: string): Promise<void> {
  const theirs = orm.select({ id: member.organizationId }).from(member).where(eq(member.userId, userId))
  await orm.select().from(organization).where(inArray(organization.id, theirs)).orderBy(organization.id).for('update')
  const rows = await orm.select().from(member).where(inArray(member.organizationId, theirs))
  const owners = rows.filter(({ role }) => roleOf(role) === 'owner')
  for (const { organizationId } of owners.filter((owner) => owner.userId === userId)) {
    const others = owners.filter((owner) => owner.organizationId === organizationId && owner.userId !== userId)
    if (others.length === 0) {
      throw new CorralError('last_owner', {
        sentence: `They are the last owner of organization ${organizationId}; make another one first.`,
      })
    }
  }
}

/** By id or e-mail address. */
export async function findUser(orm: Orm, named: string): Promise<UserRow | null> {
  const [row] = await orm
    .select()
    .from(user)
    .where(or(eq(user.id, named), eq(user.email, named.toLowerCase())))
    .orderBy(asc(user.id))
    .limit(1)
  return row ?? null
}

/** The caller, unless somebody else is named, which is for operators alone. */
export async function meantUser(orm: Orm, caller: Authenticated, named: string | undefined): Promise<string> {
  if (named === undefined || named === caller.userId) return caller.userId
  if (!(await isOperator(orm, caller))) throw new CorralError('operator_required')
  const found = await findUser(orm, named)
  if (!found) throw new CorralError('user_not_found')
  return found.id
}

const viewOf = (row: UserRow): UserView => ({
  userId: row.id,
  name: row.name,
  email: row.email,
  createdAt: row.createdAt.getTime(),
})
