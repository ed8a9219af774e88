/**
 * Who calls, from the headers of a request: an API key, a JWT that one of our own back ends signed, or, without any
 * bearer, the cookie of somebody who signed in on our page. Each names a user who must exist now. The internal key comes
 * beside that and never instead of it.
 */
import { botIdSchema, CorralError, type Scope, scopes } from '@corral/protocol'
import { errors, jwtVerify } from 'jose'
import type { Pool } from 'pg'
import { z } from 'zod'
import { findApiKey } from './apiKeys.ts'
import type { Authenticated, Proof } from './caller.ts'
import { sameSecret } from './sameSecret.ts'
import type { SignIn } from './signIn.ts'

/** `JWT_TOKEN_VERSION` of the seed. */
const jwtVersion = 3

const claimsSchema = z.object({
  kiloUserId: z.string().min(1),
  version: z.literal(jwtVersion),
  botId: botIdSchema.optional(),
})

/** Three base64url segments. No API key has a dot. */
const jwtForm = /^[\w-]+\.[\w-]+\.[\w-]+$/

/** `address` is that of the machine that connected to us. */
export type Authenticate = (headers: Headers, address?: string | null) => Promise<Authenticated>

type Bearer = { userId: string; botId: string | null; proof: Omit<Proof, 'address'> }

/** The returned function throws `unauthorized`, or `balance_bypass_refused` for a bypass without the internal key. */
export function createAuthenticate(options: {
  pool: Pool
  nextAuthSecret: string
  internalApiSecret: string
  signIn: Pick<SignIn, 'find'>
}): Authenticate {
  const { pool, nextAuthSecret, internalApiSecret, signIn } = options
  const jwtKey = new TextEncoder().encode(nextAuthSecret)

  async function userOfJwt(token: string): Promise<Bearer> {
    const { payload } = await jwtVerify(token, jwtKey, { algorithms: ['HS256'], requiredClaims: ['exp'] }).catch(
      (cause: unknown) => {
        if (cause instanceof errors.JWTExpired) throw unauthorized('The token has expired; get a new one.', cause)
        if (cause instanceof errors.JOSEError) throw unauthorized('The token is not valid.', cause)
        throw cause
      },
    )
    const claims = claimsSchema.safeParse(payload)
    if (!claims.success) throw unauthorized('The token lacks the claims of a Corral token.', claims.error)
    const { kiloUserId: userId, botId } = claims.data
    const found = await pool.query({
      name: 'user_exists',
      text: 'select 1 from "user" where id = $1',
      values: [userId],
    })
    if (found.rowCount !== 1) throw unauthorized('The token is not valid.')
    return { userId, botId: botId ?? null, proof: { credential: { kind: 'token' }, scopes: scopesOfToken(botId) } }
  }

  async function userOfKey(given: string): Promise<Bearer> {
    const key = await findApiKey(pool, given)
    if (key === null) throw unauthorized('The API key is not valid.')
    const { id, userId, botId } = key
    return { userId, botId, proof: { credential: { kind: 'key', id }, scopes: key.scopes } }
  }

  async function userOfCookie(headers: Headers): Promise<Bearer> {
    const found = await signIn.find(headers)
    if (found === null) throw new CorralError('unauthorized')
    const { id, userId } = found
    return { userId, botId: null, proof: { credential: { kind: 'sign-in', id }, scopes } }
  }

  function userOf(headers: Headers): Promise<Bearer> {
    const authorization = headers.get('authorization')
    if (authorization === null) return userOfCookie(headers)
    const bearer = /^bearer +(\S+)$/i.exec(authorization)?.[1]
    if (bearer === undefined) throw new CorralError('unauthorized')
    return jwtForm.test(bearer) ? userOfJwt(bearer) : userOfKey(bearer)
  }

  return async (headers, address = null) => {
    const { proof, ...user } = await userOf(headers)
    const internal = sameSecret(headers.get('x-internal-api-key') ?? '', internalApiSecret)
    const skipsBalanceCheck = headers.get('x-skip-balance-check') === 'true'
    if (skipsBalanceCheck && !internal) throw new CorralError('balance_bypass_refused')
    return { ...user, internal, skipsBalanceCheck, proof: { ...proof, address } }
  }
}

/** A bot works; it does not administer its user. */
const scopesOfToken = (botId: string | undefined): readonly Scope[] =>
  botId === undefined ? scopes : ['sessions:read', 'sessions:write']

const unauthorized = (sentence: string, cause?: unknown) => new CorralError('unauthorized', { sentence, cause })
