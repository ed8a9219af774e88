/**
 * better-auth over our tables: users, sign-ins, organizations with their members, API keys. What of it is open on HTTP
 * is `signIn.ts`'s to say. It works on connections of its own, outside the server's term.
 */
import { apiKey } from '@better-auth/api-key'
import { scopes } from '@corral/protocol'
import { betterAuth } from 'better-auth'
import { drizzleAdapter } from 'better-auth/adapters/drizzle'
import { organization } from 'better-auth/plugins/organization'
import { drizzle } from 'drizzle-orm/node-postgres'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import * as tables from '../database/identityTables.ts'
import * as schema from '../database/schema.ts'
import type { Orm } from '../database/transaction.ts'
import { recordAudit } from './audit.ts'
import type { Authenticated, Proof } from './caller.ts'
import { derivedKey } from './derivedKey.ts'

/** In which a request says from where it came; `signIn.ts` sets it. */
export const clientAddressHeader = 'x-corral-client-address'

export type Auth = ReturnType<typeof createAuth>

/** An OAuth app of GitHub, by which people can sign in whose verified e-mail address is that of a user here. */
export type GithubSignIn = { clientId: string; clientSecret: string }

export function createAuth(options: {
  pool: Pool
  secret: string
  baseUrl: string
  github?: GithubSignIn | null
  logger: Logger
}) {
  const { pool, secret, baseUrl, github, logger } = options
  const orm: Orm = drizzle(pool, { schema })
  return betterAuth({
    appName: 'Corral',
    baseURL: baseUrl,
    secret: Buffer.from(derivedKey(secret, 'sign-in')).toString('base64url'),
    database: drizzleAdapter(drizzle(pool, { schema: tables }), {
      provider: 'pg',
      schema: { ...tables, session: tables.authSession },
      transaction: true,
    }),
    // People are made by operators (`users.ts`); a password has the limits that it is made with.
    emailAndPassword: { enabled: true, disableSignUp: true, minPasswordLength: 12, maxPasswordLength: 128 },
    socialProviders: github ? { github: { ...github, disableSignUp: true } } : {},
    account: { encryptOAuthTokens: true },
    advanced: { cookiePrefix: 'corral', ipAddress: { ipAddressHeaders: [clientAddressHeader] } },
    // In memory, by address.
    rateLimit: { enabled: true, customRules: { '/sign-in/email': { window: 60, max: 30 } } },
    // `signIn.ts` has compared the origin with the address that the request was sent to.
    trustedOrigins: (request) => [request?.headers.get('origin')].filter((origin) => origin != null),
    databaseHooks: {
      session: {
        create: {
          async after({ id, userId, ipAddress }) {
            const proof: Proof = { credential: { kind: 'sign-in', id }, scopes, address: ipAddress || null }
            const caller: Authenticated = { userId, botId: null, internal: false, proof }
            await recordAudit({ orm }, caller, { action: 'user.signed_in', subject: userId })
          },
        },
      },
    },
    // A key's limit would count one day's calls (10 by default) and write a row for each of them.
    plugins: [organization(), apiKey({ rateLimit: { enabled: false } })],
    telemetry: { enabled: false },
    logger: { log: (level, message, ...details) => logger[level]({ details }, message) },
  })
}
