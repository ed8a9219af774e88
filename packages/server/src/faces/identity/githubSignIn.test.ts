/** Signing in by GitHub, against a GitHub of this test's: who has an account there gets in as the user of that address. */
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { testFace } from '../cloud-agent/testFace.ts'

const face = await testFace({ github: { clientId: 'the-app', clientSecret: 'its-secret' } })
afterAll(() => face[Symbol.asyncDispose]())

/** Whom GitHub tells of, and how sure it is of the address. */
let onGithub = { id: 1, email: 'ada@example.com', verified: true }
const ofNode = globalThis.fetch
beforeAll(() => {
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const { id, email, verified } = onGithub
    const answers: Record<string, unknown> = {
      'https://github.com/login/oauth/access_token': { access_token: 'theirs', token_type: 'bearer', scope: '' },
      'https://api.github.com/user': { id, login: 'ada', name: 'Ada', email },
      'https://api.github.com/user/emails': [{ email, verified, primary: true }],
    }
    const answer = answers[String(input instanceof Request ? input.url : input)]
    return answer ? Response.json(answer) : ofNode(input, init)
  })
})
afterAll(() => void vi.unstubAllGlobals())
afterEach(() => {
  onGithub = { id: 1, email: 'ada@example.com', verified: true }
})

/** To GitHub and back, as a browser goes; answers where it ends and who is signed in then. */
async function signIn(): Promise<{ at: string; userId: string | null }> {
  const asked = await ofNode(`${face.url}/api/auth/sign-in/social`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: face.url },
    body: JSON.stringify({ provider: 'github', callbackURL: '/usage', errorCallbackURL: '/sign-in' }),
  })
  expect(asked.status).toBe(200)
  const { url } = await asked.json()
  const authorize = new URL(url)
  expect(authorize.origin + authorize.pathname).toBe('https://github.com/login/oauth/authorize')
  expect(authorize.searchParams.get('client_id')).toBe('the-app')

  const state = authorize.searchParams.get('state') ?? ''
  const back = await ofNode(`${face.url}/api/auth/callback/github?${new URLSearchParams({ code: 'one', state })}`, {
    headers: { cookie: cookiesOf(asked), 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' },
    redirect: 'manual',
  })
  expect(back.status).toBe(302)
  const session = await ofNode(`${face.url}/api/auth/get-session`, { headers: { cookie: cookiesOf(back) } })
  const found = await session.json()
  return { at: back.headers.get('location') ?? '', userId: found?.user.id ?? null }
}

const cookiesOf = (answer: Response) =>
  answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ')

test('the page is told that it is possible', async () => {
  const ways = await ofNode(`${face.url}/api/auth/ways`)
  expect(await ways.json()).toMatchObject({ github: true })
})

test('nobody gets in whom no operator has made a user', async () => {
  const { at, userId } = await signIn()
  expect(at).toMatch(/^\/sign-in\?error=/)
  expect(userId).toBeNull()
  const { rows } = await face.database.pool.query(`select 1 from "user" where email = 'ada@example.com'`)
  expect(rows).toEqual([])
})

test('a user of the same address gets in, if GitHub has verified it, and goes where they wanted to', async () => {
  await face.database.pool.query(
    `insert into "user" (id, name, email, email_verified) values ('ada', 'Ada', 'ada@example.com', true)`,
  )
  onGithub.verified = false
  expect(await signIn()).toMatchObject({ userId: null })
  onGithub.verified = true
  expect(await signIn()).toEqual({ at: '/usage', userId: 'ada' })
  const { rows } = await face.database.pool.query('select account::text as row from account')
  expect(rows).toHaveLength(1)
  expect(rows[0].row).not.toContain('theirs')
})

test('the way back alone signs nobody in', async () => {
  const forged = await ofNode(`${face.url}/api/auth/callback/github?code=one&state=guessed`, { redirect: 'manual' })
  expect(forged.headers.getSetCookie().join()).not.toContain('session_token=')
})
