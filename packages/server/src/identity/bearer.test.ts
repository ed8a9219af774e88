import { CorralError, scopes } from '@corral/protocol'
import { afterAll, describe, expect, test } from 'vitest'
import { internalApiSecret, signedToken, testIdentity } from './testIdentity.ts'

const world = await testIdentity()
const { auth, identity, operator, database } = world
afterAll(() => world[Symbol.asyncDispose]())

const authenticate = (headers: Record<string, string>) => identity.authenticate(new Headers(headers))
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const reasonOf = async (headers: Record<string, string>) => {
  const error = await authenticate(headers).then(
    () => null,
    (refused: unknown) => refused,
  )
  return error instanceof CorralError ? error.reason : error
}

describe('an API key', () => {
  test('names its user', async () => {
    expect(await authenticate(bearer(operator.apiKey))).toEqual({
      userId: operator.userId,
      botId: null,
      internal: false,
      skipsBalanceCheck: false,
      proof: { credential: { kind: 'key', id: expect.any(String) }, scopes: [...scopes], address: null },
    })
  })

  test.each([
    ['disabled', 'update apikey set enabled = false where reference_id = $1'],
    ['expired', `update apikey set expires_at = now() - interval '1 s' where reference_id = $1`],
    ['deleted', 'delete from apikey where reference_id = $1'],
    ['that of a deleted user', 'delete from "user" where id = $1'],
  ])('is refused from the moment on that it is %s', async (_, change) => {
    const { userId, apiKey } = await world.newUser()
    expect((await authenticate(bearer(apiKey))).userId).toBe(userId)
    await database.pool.query(change, [userId])
    expect(await reasonOf(bearer(apiKey))).toBe('unauthorized')
  })

  test('is looked up without writing, however often, and without a limit', async () => {
    const { userId, apiKey } = await world.newUser()
    const versionOfRow = async () => {
      const { rows } = await database.pool.query('select xmin, ctid from apikey where reference_id = $1', [userId])
      return rows
    }
    const before = await versionOfRow()
    await Promise.all(Array.from({ length: 50 }, () => authenticate(bearer(apiKey))))
    expect(before).toHaveLength(1)
    expect(await versionOfRow()).toEqual(before)
  })
})

describe('a JWT of our own back ends', () => {
  test('names its user and the bot that acts for them', async () => {
    const token = await signedToken(operator.userId, { claims: { botId: 'reviewer-1' } })
    expect(await authenticate(bearer(token))).toEqual({
      userId: operator.userId,
      botId: 'reviewer-1',
      internal: false,
      skipsBalanceCheck: false,
      proof: { credential: { kind: 'token' }, scopes: ['sessions:read', 'sessions:write'], address: null },
    })
  })

  test.each([
    ['signed with another secret', { secret: 'x'.repeat(40) }],
    ['signed with another algorithm', { alg: 'HS512' }],
    ['expired', { expiresAt: '1 s ago' }],
    ['without an end', { expiresAt: null }],
    ['of another version', { claims: { version: 2 } }],
    ['without a version', { claims: { version: undefined } }],
    ['without a user', { claims: { kiloUserId: undefined } }],
    ['of a user who does not exist', { claims: { kiloUserId: 'nobody' } }],
    ['with a bot that has no valid name', { claims: { botId: '../other' } }],
  ])('is refused when it is %s', async (_, changes) => {
    expect(await reasonOf(bearer(await signedToken(operator.userId, changes)))).toBe('unauthorized')
  })

  test('is refused without a signature', async () => {
    const [, payload] = (await signedToken(operator.userId)).split('.')
    const header = Buffer.from('{"alg":"none"}').toString('base64url')
    expect(await reasonOf(bearer(`${header}.${payload}.`))).toBe('unauthorized')
  })

  test('is no stream ticket, and a stream ticket is no bearer', async () => {
    expect(await identity.tickets.verify(await signedToken(operator.userId))).toEqual({ ok: false })
    const { ticket } = await identity.tickets.issue({
      purpose: 'stream',
      userId: operator.userId,
      cloudAgentSessionId: 'agent_00000000-0000-4000-8000-000000000000',
      kiloSessionId: 'ses_000000000000AAAAAAAAAAAAAA',
      organizationId: null,
      credential: { kind: 'token' },
    })
    expect(await reasonOf(bearer(ticket))).toBe('unauthorized')
  })
})

test.each(['', 'Bearer', 'Bearer ', 'Basic b3BlcmF0b3I6', 'Bearer two words'])(
  '"%s" names nobody',
  async (authorization) => {
    expect(await reasonOf({ authorization })).toBe('unauthorized')
    expect(await reasonOf({})).toBe('unauthorized')
  },
)

describe('the internal key', () => {
  test('makes a call internal, beside a bearer', async () => {
    const headers = { ...bearer(operator.apiKey), 'x-internal-api-key': internalApiSecret }
    expect(await authenticate(headers)).toMatchObject({ userId: operator.userId, internal: true })
  })

  test('is no bearer by itself', async () => {
    expect(await reasonOf({ 'x-internal-api-key': internalApiSecret })).toBe('unauthorized')
    expect(await reasonOf(bearer(internalApiSecret))).toBe('unauthorized')
  })

  test.each(['', 'x', `${internalApiSecret}x`, internalApiSecret.slice(1)])('is not "%s"', async (key) => {
    expect(await authenticate({ ...bearer(operator.apiKey), 'x-internal-api-key': key })).toMatchObject({
      internal: false,
    })
  })

  test('is needed to skip the check of the balance', async () => {
    const skipping = { ...bearer(operator.apiKey), 'x-skip-balance-check': 'true' }
    expect(await reasonOf(skipping)).toBe('balance_bypass_refused')
    expect(await authenticate({ ...skipping, 'x-internal-api-key': internalApiSecret })).toMatchObject({
      internal: true,
    })
  })
})

test('a member of an organization is one until the membership ends', async () => {
  const { userId } = await world.newUser()
  const { organizationId } = world
  expect(await identity.membership(userId, organizationId)).toBe(false)
  await auth.api.addMember({ body: { userId, organizationId, role: 'member' } })
  expect(await identity.membership(userId, organizationId)).toBe(true)
  await database.pool.query('delete from member where user_id = $1', [userId])
  expect(await identity.membership(userId, organizationId)).toBe(false)
})
