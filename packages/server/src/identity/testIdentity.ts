/** For tests: real users, organizations and keys in a database of their own, with known secrets. */
import { SignJWT } from 'jose'
import type { Pool } from 'pg'
import { type Logger, pino } from 'pino'
import { defaultTimers } from '../config.ts'
import { createDatabase, type Database } from '../database/transaction.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import { type Auth, createAuth, type GithubSignIn } from './auth.ts'
import { bootstrap } from './bootstrap.ts'
import { createIdentity, type Identity } from './identity.ts'

export const nextAuthSecret = 'the-secret-that-signs-tokens-in-tests'
export const internalApiSecret = 'the-internal-key-of-tests'
export const quietLogger: Logger = pino({ level: 'silent' })

export type TestUser = { userId: string; apiKey: string }

export type TestIdentity = AsyncDisposable & {
  database: Database
  auth: Auth
  identity: Identity
  /** Owner of the organization `organizationId`. */
  operator: TestUser
  organizationId: string
  newUser(): Promise<TestUser>
}

export async function testIdentity(options: { github?: GithubSignIn } = {}): Promise<TestIdentity> {
  const { github = null } = options
  const opened: TestDatabase = await testDatabase()
  const { pool } = opened
  await pool.query(`insert into server (term, until) values (1, now() + interval '1 hour')`)
  const database = createDatabase({ pool, term: () => 1 })
  const auth = authOn(database, github)
  const identity = identityOn(database, github)
  const { userId, organizationId, apiKey } = await bootstrap({ auth, configuredKey: 'the-first-key-of-these-tests' })
  if (apiKey === undefined) throw new Error('the first start made no key')

  async function newUser(): Promise<TestUser> {
    const { internalAdapter } = await auth.$context
    const name = crypto.randomUUID()
    const { id } = await internalAdapter.createUser({ name, email: `${name}@example.com` }, { method: 'admin' })
    const { key } = await auth.api.createApiKey({ body: { userId: id } })
    return { userId: id, apiKey: key }
  }

  return {
    database,
    auth,
    identity,
    operator: { userId, apiKey },
    organizationId,
    newUser,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  }
}

const authOn = ({ pool }: Database, github: GithubSignIn | null): Auth =>
  createAuth({ pool, secret: nextAuthSecret, baseUrl: 'http://localhost', github, logger: quietLogger })

export const identityOn = (database: Database, github: GithubSignIn | null = null): Identity =>
  createIdentity({
    database,
    auth: authOn(database, github),
    github: github !== null,
    nextAuthSecret,
    internalApiSecret,
    timers: defaultTimers,
    logger: quietLogger,
  })

/** A user by row alone: nobody can sign in as them. */
export const addUser = (pool: Pool, id: string) =>
  pool.query('insert into "user" (id, name, email) values ($1, $1, $1)', [id])

/** A JWT as a back end signs it, good for one minute; `changes` says how it differs from a good one. */
export async function signedToken(
  userId: string,
  changes: { claims?: object; secret?: string; alg?: string; expiresAt?: string | null } = {},
): Promise<string> {
  const { claims, secret = nextAuthSecret, alg = 'HS256', expiresAt = '60 s' } = changes
  const token = new SignJWT({ kiloUserId: userId, version: 3, ...claims }).setProtectedHeader({ alg })
  if (expiresAt !== null) token.setExpirationTime(expiresAt)
  return token.sign(new TextEncoder().encode(secret))
}
