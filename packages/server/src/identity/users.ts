/** Users: made and listed by operators. Who may not ask learns nothing of who there is. */
import { CorralError, type createUserInput, type UserView } from '@corral/protocol'
import { asc, eq, or } from 'drizzle-orm'
import type { z } from 'zod'
import { account, user } from '../database/identityTables.ts'
import type { Database, Orm } from '../database/transaction.ts'
import { recordAudit } from './audit.ts'
import type { Authenticated } from './caller.ts'
import { isOperator, requireOperator } from './roles.ts'

type UserRow = typeof user.$inferSelect

export function createUsers(deps: { database: Database; hashPassword(password: string): Promise<string> }) {
  const { database, hashPassword } = deps
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

    async list(caller: Authenticated): Promise<{ users: UserView[] }> {
      await requireOperator(database.orm, caller)
      const rows = await database.orm.select().from(user).orderBy(asc(user.createdAt), asc(user.id))
      return { users: rows.map(viewOf) }
    },
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
