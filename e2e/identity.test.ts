/**
 * Who may do what, from outside: an operator makes a person, an organization and keys on the command line; what is taken
 * back ends at once, also for who is watching; and no secret is in any line of the server's log.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createCorral } from '@corral/client'
import { type SessionId, sessionIdSchema } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Installation, internalKey, apiKey as operatorKey, startInstallation } from './harness/installation.ts'
import { makeRepository } from './harness/repositories.ts'
import { openSocket } from './harness/socket.ts'

const email = 'ada@example.com'
const password = 'correct horse battery staple'

let corral: Installation
let organizationId: string
let adasKey: string
let preparation: { prompt: string; mode: string; model: string; gitUrl: string }

/** What a command prints; it must go well. */
async function said(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await corral.command(args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.trimEnd()
}

const as = (key: string) => createCorral({ url: corral.url, apiKey: key })

async function post(path: string, body: object, headers: Record<string, string>) {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  }
  const response = await fetch(corral.url + path, init)
  return { status: response.status, json: await response.json() }
}

beforeAll(async () => {
  corral = await startInstallation()
  const gitUrl = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  preparation = { prompt: 'Hello', mode: 'code', model: 'scripted/demo', gitUrl }
  await said('users', 'create', email, '--name', 'Ada')
  organizationId = await said('org', 'create', 'engines')
  await said('org', 'add', organizationId, email)
  adasKey = await said(
    'keys',
    'create',
    'first',
    '--user',
    email,
    '--scope',
    'admin',
    'sessions:read',
    'sessions:write',
  )
})
afterAll(() => corral?.end())

/** A session of Ada's in the organization, prepared with her bearer alone, and watched with the ticket of the answer. */
async function watched(key = adasKey): Promise<{ session: SessionId; closed: () => Promise<number> }> {
  const path = '/api/cloud-agent/sessions/prepare'
  const authorization = `Bearer ${key}`
  const { status, json } = await post(path, { ...preparation, organizationId }, { authorization })
  expect(status).toBe(200)
  const session = sessionIdSchema.parse(json.cloudAgentSessionId)
  const { closed } = await openSocket({ url: corral.url, apiKey: key, session })
  const ticketed = new WebSocket(`${corral.url.replace(/^http/, 'ws')}/stream?cloudAgentSessionId=${session}`, [
    'corral.v1',
    `corral.ticket.${json.ticket}`,
  ])
  const opened = await new Promise<string>((resolve, reject) => {
    ticketed.onopen = () => resolve(ticketed.protocol)
    ticketed.onerror = () => reject(new Error('the ticket of the answer did not open the stream'))
  })
  expect(opened).toBe('corral.v1')
  ticketed.close()
  return { session, closed }
}

async function closesWithinASecond(closed: () => Promise<number>, takeBack: () => Promise<unknown>): Promise<void> {
  await takeBack()
  const since = performance.now()
  expect(await closed()).toBe(4403)
  expect(performance.now() - since).toBeLessThan(1_000)
}

test('prepareSession needs the internal key beside a bearer; its REST sister a bearer alone', async () => {
  const bearer = { authorization: `Bearer ${adasKey}` }
  const internal = { 'x-internal-api-key': internalKey }
  const prepare = (headers: Record<string, string>) => post('/trpc/prepareSession', preparation, headers)
  const refused = (reason: string) => ({ status: 401, json: { error: { data: { code: 'UNAUTHORIZED', reason } } } })
  expect(await prepare(bearer)).toMatchObject(refused('internal_key_required'))
  expect(await prepare({ ...bearer, 'x-internal-api-key': 'wrong' })).toMatchObject(refused('internal_key_required'))
  expect(await prepare(internal)).toMatchObject(refused('unauthorized'))
  const rest = await post('/api/cloud-agent/sessions/prepare', preparation, internal)
  expect(rest).toMatchObject({ status: 401, json: { reason: 'unauthorized' } })
})

test('a key is made, listed, limited to its scopes, and revoked with the stream that it opened', async () => {
  const key = await said('keys', 'create', 'reader', '--user', email, '--scope', 'sessions:read', '--expires', '30')
  await expect(as(key).call.start.mutate(preparation)).rejects.toMatchObject({ reason: 'insufficient_scope' })
  const { session } = await watched()
  const { closed } = await openSocket({ url: corral.url, apiKey: key, session })
  const list: { keyId: string; name: string; scopes: string[] }[] = JSON.parse(
    await said('--json', 'keys', 'list', '--user', email),
  )
  const { keyId } = list.find(({ name }) => name === 'reader') ?? expect.fail('the key is not listed')
  expect(list.find(({ name }) => name === 'reader')?.scopes).toEqual(['sessions:read'])
  await closesWithinASecond(closed, () => as(operatorKey).call.revokeApiKey.mutate({ keyId }))
  await expect(as(key).call.getSession.query({ cloudAgentSessionId: session })).rejects.toMatchObject({
    reason: 'unauthorized',
  })
})

test('a membership that ends takes the sessions and their streams along', async () => {
  const { session, closed } = await watched()
  const remove = { organizationId, user: email }
  await closesWithinASecond(closed, () => as(operatorKey).call.removeMember.mutate(remove))
  await expect(as(adasKey).call.getSession.query({ cloudAgentSessionId: session })).rejects.toMatchObject({
    reason: 'session_not_found',
  })
  expect(await said('org', 'list')).toContain('engines')
  await said('org', 'add', organizationId, email, '--role', 'admin')
  expect(await said('org', 'members', organizationId)).toMatch(/ admin +ada@example\.com$/m)
  expect((await as(adasKey).call.getSession.query({ cloudAgentSessionId: session })).sessionId).toBe(session)
})

test('a person signs in with a password, and the cookie works on our own origin alone', async () => {
  const { name, email: address } = { name: 'Grace', email: 'grace@example.com' }
  await as(operatorKey).call.createUser.mutate({ name, email: address, password })
  const answer = await fetch(`${corral.url}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: corral.url },
    body: JSON.stringify({ email: address, password }),
  })
  expect(answer.status).toBe(200)
  const cookie = answer.headers
    .getSetCookie()
    .map((one) => one.split(';')[0])
    .join('; ')
  const ask = async (origin: string) => (await post('/trpc/start', preparation, { cookie, origin })).status
  expect(await ask('https://elsewhere.example')).toBe(401)
  expect(await ask(corral.url)).toBe(200)
})

test('the audit log tells of all this, to operators alone, and nothing tells a secret', async () => {
  const entries = await said('audit')
  for (const action of [
    'user.created',
    'organization.created',
    'member.added',
    'key.created',
    'key.revoked',
    'user.signed_in',
  ])
    expect(entries).toContain(` ${action} `)
  expect(await corral.command(['audit'], { CORRAL_API_KEY: adasKey })).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/Only an operator.*what to do: {2}ask an operator/s),
  })
  const log = await readFile(join(corral.folder, 'server.log'), 'utf8')
  expect(log.length).toBeGreaterThan(0)
  for (const secret of [adasKey, operatorKey, internalKey, password, 'eyJ']) {
    expect(entries).not.toContain(secret)
    expect(
      log
        .split('\n')
        .filter((line) => !line.startsWith('your API key'))
        .join('\n'),
    ).not.toContain(secret)
  }
})
