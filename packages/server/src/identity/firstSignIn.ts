/**
 * How the first operator gets onto the page: by a link that `corral up` prints as long as they have no password. Whoever
 * has the link gives the operator a name, an e-mail address and a password, and with that the link has done its work.
 */
import { CorralError, type FirstSignInInput } from '@corral/protocol'
import { and, eq } from 'drizzle-orm'
import { account, user } from '../database/identityTables.ts'
import type { Database, Orm } from '../database/transaction.ts'
import { recordAudit } from './audit.ts'
import { derivedKey } from './derivedKey.ts'
import { firstOperator } from './roles.ts'
import { sameSecret } from './sameSecret.ts'

export type FirstSignIn = {
  /** Null when it has done its work. */
  token(): Promise<string | null>
  use(input: FirstSignInInput, address: string | null): Promise<void>
}

export function createFirstSignIn(deps: {
  database: Database
  secret: string
  hashPassword(password: string): Promise<string>
}): FirstSignIn {
  const { database, secret, hashPassword } = deps
  // The same at every start, so that nothing has to be kept and the last link that was printed is a good one.
  const good = Buffer.from(derivedKey(secret, 'first sign-in')).toString('base64url')

  return {
    token: async () => ((await hasPassword(database.orm)) ? null : good),

    async use({ token, name, email, password }, address) {
      if (!sameSecret(token, good)) throw usedUp()
      const hash = await hashPassword(password)
      await database.transaction(async (tx) => {
        await tx.orm.select().from(user).where(eq(user.id, firstOperator)).for('update')
        if (await hasPassword(tx.orm)) throw usedUp()
        const [other] = await tx.orm.select({ id: user.id }).from(user).where(eq(user.email, email))
        if (other && other.id !== firstOperator) {
          throw new CorralError('already_exists', { sentence: 'Another user has that e-mail address.' })
        }
        const operator = { id: crypto.randomUUID(), accountId: firstOperator, userId: firstOperator }
        await tx.orm.update(user).set({ name, email, emailVerified: true }).where(eq(user.id, firstOperator))
        await tx.orm.insert(account).values({ ...operator, providerId: 'credential', password: hash })
        const proof = { credential: { kind: 'token' as const }, scopes: [], address }
        const caller = { userId: firstOperator, botId: null, internal: false, proof }
        await recordAudit(tx, caller, { action: 'user.password_set', subject: firstOperator, details: { name, email } })
      })
    },
  }
}

async function hasPassword(orm: Orm): Promise<boolean> {
  const [found] = await orm
    .select({ id: account.id })
    .from(account)
    .where(and(eq(account.userId, firstOperator), eq(account.providerId, 'credential')))
  return found !== undefined
}

const usedUp = () =>
  new CorralError('unauthorized', {
    sentence: 'This link has been used, or is not the one of this server. Sign in, or run "corral up" to see its link.',
  })
