/** Signing in on the page: by a password, with a cookie that counts on our own origin alone, and with every trace kept. */
import { createTRPCClient, httpLink } from '@trpc/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AppRouter } from '../cloud-agent/router.ts'
import { bearer, expectRefusal, preparation, testFace } from '../cloud-agent/testFace.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const operator = createTRPCClient<AppRouter>({
  links: [httpLink({ url: `${face.url}/trpc`, headers: bearer(face.operator.apiKey) })],
})

const password = 'correct horse battery staple'
const email = 'ada@example.com'
let userId: string
beforeAll(async () => {
  userId = (await operator.createUser.mutate({ name: 'Ada', email, password })).userId
})

type Headers = Record<string, string>

const post = (path: string, body: object, headers: Headers = {}) =>
  fetch(`${face.url}/api/auth${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: face.url, ...headers },
    body: JSON.stringify(body),
  })

/** The cookies of a browser that has signed in. */
async function signedIn(): Promise<Headers> {
  const answer = await post('/sign-in/email', { email, password })
  expect(answer.status).toBe(200)
  const cookies = answer.headers.getSetCookie()
  expect(cookies.join()).toMatch(/HttpOnly.*SameSite=Lax/)
  return { cookie: cookies.map((cookie) => cookie.split(';')[0]).join('; ') }
}

describe('somebody who signed in', () => {
  test('works with the cookie, as themselves', async () => {
    const cookie = await signedIn()
    const started = await face.mutate('start', preparation, { ...cookie, origin: face.url })
    expect(started.status).toBe(200)
    const listed = await face.query('listSessions', {}, { ...cookie, 'sec-fetch-site': 'same-origin' })
    expect(listed.json).toMatchObject({ result: { data: { sessions: [{ userId }] } } })
    expect((await face.query('listApiKeys', {}, cookie)).status).toBe(200)
  })

  test.each<[what: string, headers: Headers]>([
    ['another origin', { origin: 'https://elsewhere.example' }],
    ['a frame without an origin', { origin: 'null' }],
    ['another site that asks without an origin', { 'sec-fetch-site': 'cross-site' }],
    ['a sibling of our own host', { 'sec-fetch-site': 'same-site' }],
  ])('is nobody to %s', async (_, headers) => {
    const from = { ...(await signedIn()), ...headers }
    expectRefusal(await face.mutate('start', preparation, from), 'unauthorized')
    expectRefusal(await face.query('listSessions', {}, from), 'unauthorized')
    expect((await post('/sign-out', {}, from)).status).toBe(401)
  })

  test('is asked for JSON, which a form of another page cannot send', async () => {
    const cookie = await signedIn()
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      expectRefusal(await face.mutate('start', preparation, { ...cookie, 'content-type': type }), 'invalid_input')
    }
  })

  test('is nobody any more after signing out', async () => {
    const cookie = await signedIn()
    expect((await post('/sign-out', {}, cookie)).status).toBe(200)
    expectRefusal(await face.query('listSessions', {}, cookie), 'unauthorized')
  })

  test('is not who a broken bearer beside the cookie says', async () => {
    const cookie = await signedIn()
    expectRefusal(await face.query('listSessions', {}, { ...cookie, ...bearer('wrong') }), 'unauthorized')
    expectRefusal(await face.query('listSessions', {}, { ...cookie, authorization: '' }), 'unauthorized')
  })

  test('is only read by what they call', async () => {
    const cookie = await signedIn()
    const versions = async () => (await face.database.pool.query('select id, xmin, ctid from auth_session')).rows
    await face.database.pool.query(`update auth_session set expires_at = now() + interval '1 hour'`)
    const before = await versions()
    expect((await face.query('listSessions', {}, cookie)).status).toBe(200)
    expect(await versions()).toEqual(before)
  })

  test('is in the audit log, with the address that we have seen and none that was claimed', async () => {
    const claimed = { 'x-forwarded-for': '203.0.113.1', 'x-corral-client-address': '203.0.113.2' }
    expect((await post('/sign-in/email', { email, password }, claimed)).status).toBe(200)
    const { entries } = await operator.listAudit.query({ limit: 1 })
    expect(entries[0]).toMatchObject({ action: 'user.signed_in', userId, subject: userId, address: '127.0.0.1' })
    expect(entries[0]?.credential).toMatch(/^sign-in:/)
  })
})

describe('nobody signs in', () => {
  test('with a wrong password, an unknown address, or none of their own: the same answer', async () => {
    const wrong = await post('/sign-in/email', { email, password: 'not this one at all' })
    const unknown = await post('/sign-in/email', { email: 'nobody@example.com', password })
    const without = await post('/sign-in/email', { email: 'operator@corral.localhost', password })
    const said = await wrong.text()
    for (const answer of [unknown, without]) expect([answer.status, await answer.text()]).toEqual([401, said])
    expect(wrong.status).toBe(401)
  })

  test('by signing up, nor goes round our rules by other routes of better-auth', async () => {
    const cookie = await signedIn()
    const routes: [path: string, body: object][] = [
      ['/sign-up/email', { name: 'Eve', email: 'eve@example.com', password }],
      ['/api-key/create', { name: 'mine' }],
      ['/organization/create', { name: 'Mine', slug: 'mine' }],
      ['/update-user', { name: 'Root' }],
      ['/delete-user', {}],
      ['/sign-in/email/', { email, password }],
      ['//sign-in/email', { email, password }],
    ]
    for (const [path, body] of routes) expect((await post(path, body, cookie)).status, path).toBe(404)
    expect((await fetch(`${face.url}/api/auth/organization/list`, { headers: cookie })).status).toBe(404)
  })
})

describe('the first sign-in', () => {
  const given = { name: 'Grace', email: 'Grace@Example.com', password }
  const ways = async () => (await fetch(`${face.url}/api/auth/ways`)).json()

  test('is by the link of the server alone, and changes nothing without it', async () => {
    expect(await ways()).toEqual({ github: false, first: true })
    const token = await face.identity.signIn.firstToken()
    for (const [input, reason] of [
      [{ ...given, token: 'guessed' }, 'unauthorized'],
      [{ ...given, token: '' }, 'unauthorized'],
      [{ ...given, token, password: 'short' }, 'invalid_input'],
      [{ ...given, token, role: 'owner' }, 'invalid_input'],
      [{ ...given, token, email }, 'already_exists'],
    ] as const) {
      expect(await (await post('/first', input)).json()).toMatchObject({ reason })
    }
    expect((await post('/first', { ...given, token }, { origin: 'https://elsewhere.example' })).status).toBe(401)
    expect(await ways()).toEqual({ github: false, first: true })
  })

  test('gives the operator a password, once, also when it is used twice at once', async () => {
    const token = await face.identity.signIn.firstToken()
    const answers = await Promise.all([post('/first', { ...given, token }), post('/first', { ...given, token })])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401])
    expect(await ways()).toEqual({ github: false, first: false })
    expect(await face.identity.signIn.firstToken()).toBeNull()
    const signedIn = await post('/sign-in/email', { email: 'grace@example.com', password })
    expect(await signedIn.json()).toMatchObject({ user: { id: face.operator.userId, name: 'Grace' } })
    const { entries } = await operator.listAudit.query({ limit: 2 })
    expect(entries.map(({ action }) => action)).toEqual(['user.signed_in', 'user.password_set'])
  })
})

describe('a profile', () => {
  test('is of the caller, and says who runs the installation', async () => {
    const cookie = await signedIn()
    const profile = async () => (await face.query('getProfile', {}, cookie)).json
    expect(await profile()).toMatchObject({ result: { data: { userId, name: 'Ada', email, isOperator: false } } })
    expect(await operator.getProfile.query({})).toMatchObject({ isOperator: true })
    expect((await face.mutate('updateProfile', { name: 'Ada L.' }, cookie)).status).toBe(200)
    expect(await profile()).toMatchObject({ result: { data: { name: 'Ada L.' } } })
  })
})

test('tries are limited by address', async () => {
  const statuses = new Set<number>()
  for (let i = 0; i < 35; i++) statuses.add((await post('/sign-in/email', { email, password: 'not this one' })).status)
  expect([...statuses]).toEqual([401, 429])
})
