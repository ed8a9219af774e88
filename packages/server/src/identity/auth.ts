/**
 * better-auth over our tables: users, organizations with their members, API keys. Nothing of it is mounted on HTTP
 * here. It works on connections of its own, outside the server's term.
 */
import { apiKey } from '@better-auth/api-key'
import { betterAuth } from 'better-auth'
import { drizzleAdapter } from 'better-auth/adapters/drizzle'
import { organization } from 'better-auth/plugins/organization'
import { drizzle } from 'drizzle-orm/node-postgres'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import * as tables from '../database/identityTables.ts'
import { derivedKey } from './derivedKey.ts'

export type Auth = ReturnType<typeof createAuth>

export function createAuth(options: { pool: Pool; secret: string; baseUrl: string; logger: Logger }) {
  const { pool, secret, baseUrl, logger } = options
  return betterAuth({
    appName: 'Corral',
    baseURL: baseUrl,
    secret: Buffer.from(derivedKey(secret, 'sign-in')).toString('base64url'),
    database: drizzleAdapter(drizzle(pool, { schema: tables }), {
      provider: 'pg',
      schema: { ...tables, session: tables.authSession },
      transaction: true,
    }),
    // A key's limit would count one day's calls (10 by default) and write a row for each of them.
    plugins: [organization(), apiKey({ rateLimit: { enabled: false } })],
    telemetry: { enabled: false },
    logger: { log: (level, message, ...details) => logger[level]({ details }, message) },
  })
}
