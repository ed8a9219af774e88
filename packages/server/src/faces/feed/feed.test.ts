/** `/api/user/events` over real sessions: who gets in, what is told, and what becomes of those who may no more. */
import { buffer } from 'node:stream/consumers'
import { type MetadataFrame, metadataFrameSchema, type SystemFrame } from '@corral/protocol'
import { and, eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { member } from '../../database/identityTables.ts'
import { session } from '../../database/schema.ts'
import { internalApiSecret } from '../../identity/testIdentity.ts'
import { type TestCloudAgent, testCloudAgent } from '../../testing/cloudAgent.ts'

let server: TestCloudAgent
beforeAll(async () => {
  server = await testCloudAgent()
})
afterAll(() => server[Symbol.asyncDispose]())

const input = { prompt: 'Say hello', mode: 'code', model: 'scripted/demo', githubRepo: 'corral/sample' }
const callerOf = ({ userId }: { userId: string }) => ({ userId, botId: null, internal: false })

async function ticketOf(apiKey: string): Promise<string> {
  const headers = { authorization: `Bearer ${apiKey}` }
  const answer = await fetch(`${server.url}/api/user/web-ticket`, { method: 'POST', headers })
  return (await answer.json()).ticket
}

type Heard = { socket: WebSocket; frames: MetadataFrame[]; closed: Promise<number>; events(): SystemFrame[] }

async function dial(
  query: string,
  headers: Record<string, string> = {},
  protocols: string[] = [],
): Promise<Heard | { status: number; body: unknown }> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/user/events${query}`, protocols, { headers })
  const frames: MetadataFrame[] = []
  socket.on('message', (data) => frames.push(metadataFrameSchema.parse(JSON.parse(String(data)))))
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  const events = () => frames.filter((frame) => frame.type === 'system')
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('unexpected-response', async (_request, response) =>
      resolve({ status: response.statusCode ?? 0, body: JSON.parse(String(await buffer(response))) }),
    )
    socket.on('open', () => resolve({ socket, frames, closed, events }))
  })
}

async function hear(apiKey: string, query = ''): Promise<Heard> {
  const heard = await dial(`?ticket=${await ticketOf(apiKey)}${query}`)
  if ('status' in heard) throw new Error(JSON.stringify(heard))
  await hears(heard, 'ready')
  return heard
}
const hears = (heard: Heard, event: SystemFrame['event']) =>
  expect.poll(() => heard.events().map((frame) => frame.event), { timeout: 5_000 }).toContain(event)

describe('who is let in', () => {
  test.each([
    ['without a ticket', '', 401, 'ticket_refused'],
    ['with one that is none', '?ticket=nothing', 401, 'ticket_refused'],
    ['with an unknown parameter', '?ticket=x&all=true', 400, 'invalid_parameter'],
    ['with a parameter twice', '?ticket=x&ticket=y', 400, 'invalid_parameter'],
    ['with an id that is none', '?ticket=x&sessionIds=ses_1,nothing', 400, 'invalid_parameter'],
    ['with too many ids', `?ticket=x&sessionIds=${Array(101).fill('ses_1').join()}`, 400, 'invalid_parameter'],
  ])('nobody %s', async (_, query, status, error) => {
    expect(await dial(query)).toMatchObject({ status, body: { error } })
  })

  test('a ticket opens it once, also as a subprotocol; a refused request does not use it up', async () => {
    const { apiKey } = await server.newUser()
    const ticket = await ticketOf(apiKey)
    expect(await dial(`?ticket=${ticket}&all=true`)).toMatchObject({ status: 400 })
    const first = await dial('', {}, ['corral.v1', `corral.ticket.${ticket}`])
    if ('status' in first) throw new Error(JSON.stringify(first))
    await hears(first, 'ready')
    first.socket.close()
    expect(await dial(`?ticket=${ticket}`)).toMatchObject({ status: 401, body: { error: 'ticket_refused' } })
  })

  test('a back end with the internal secret, for one of its users', async () => {
    const { userId } = await server.newUser()
    const headers = { 'x-internal-secret': internalApiSecret, 'x-kilo-user-id': userId }
    const heard = await dial('', headers)
    if ('status' in heard) throw new Error(JSON.stringify(heard))
    await hears(heard, 'ready')
    heard.socket.close()
    expect(await dial('', { ...headers, 'x-internal-secret': 'wrong' })).toMatchObject({ status: 401 })
    expect(await dial('', { ...headers, 'x-kilo-user-id': 'nobody' })).toMatchObject({ status: 401 })
  })

  test('no page of another origin', async () => {
    expect(await dial('?ticket=x', { origin: 'https://elsewhere.example' })).toMatchObject({ status: 403 })
  })
})

describe('what is told', () => {
  test('of one’s own sessions: that they came to be, how they are now, and that they are gone', async () => {
    const [user, stranger] = [await server.newUser(), await server.newUser()]
    const heard = await hear(user.apiKey)
    await server.sessions.start(callerOf(stranger), input)
    const { cloudAgentSessionId } = await server.sessions.start(callerOf(user), input)
    await hears(heard, 'session.created')
    expect(heard.events().at(-1)).toMatchObject({
      data: { source: 'v2', session: { cloudAgentSessionId, status: 'busy', agentKind: 'opencode' } },
    })
    await server.sessions.interrupt(callerOf(user), cloudAgentSessionId)
    await expect
      .poll(() => heard.events().at(-1), { timeout: 5_000 })
      .toMatchObject({ data: { session: { cloudAgentSessionId, status: 'idle' } } })
    await server.sessions.remove(callerOf(user), cloudAgentSessionId)
    await hears(heard, 'session.deleted')
    const told = heard.events().flatMap((frame) => ('revision' in frame.data ? [frame.data.revision] : []))
    expect(told).toEqual(told.toSorted((a, b) => a - b))
    expect(new Set(told).size).toBe(told.length)
    expect(JSON.stringify(heard.frames)).not.toContain(stranger.userId)
    heard.socket.close()
  })

  test('at most once in 250 ms of one session, with its last state', async () => {
    const user = await server.newUser()
    const { cloudAgentSessionId } = await server.sessions.start(callerOf(user), input)
    const heard = await hear(user.apiKey)
    const begun = performance.now()
    for (let i = 1; i <= 40; i += 1) {
      await server.database.orm
        .update(session)
        .set({ title: `Title ${i}` })
        .where(eq(session.id, cloudAgentSessionId))
    }
    await expect
      .poll(() => heard.events().at(-1), { timeout: 5_000 })
      .toMatchObject({ event: 'session.updated', data: { session: { title: 'Title 40' } } })
    const quarters = (performance.now() - begun) / 250
    expect(heard.events().length - 1).toBeLessThanOrEqual(Math.ceil(quarters) + 1)
    heard.socket.close()
  })

  test('a ping is answered; anything else ends it', async () => {
    const heard = await hear((await server.newUser()).apiKey)
    heard.socket.send('{"type":"ping"}')
    await expect.poll(() => heard.frames.at(-1)).toEqual({ type: 'pong' })
    heard.socket.send('hello')
    expect(await heard.closed).toBe(1008)
  })

  test('that all is to be read again, when PostgreSQL could not be heard for a while', async () => {
    const heard = await hear((await server.newUser()).apiKey)
    await server.database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where query ilike 'listen%' or (query = 'select 1' and datname = current_database() and pid <> pg_backend_pid())`,
    )
    await hears(heard, 'resync')
    heard.socket.close()
  })
})

describe('access that ends', () => {
  test('with the key, closes it', async () => {
    const user = await server.newUser()
    const heard = await hear(user.apiKey)
    await server.database.pool.query(`delete from apikey where reference_id = $1`, [user.userId])
    expect(await heard.closed).toBe(4403)
  })

  test('with the membership, takes that organization’s sessions away; they come back with it', async () => {
    const user = await server.newUser()
    const { organizationId } = server
    const membership = { id: crypto.randomUUID(), userId: user.userId, organizationId, role: 'member' }
    await server.database.orm.insert(member).values(membership)
    const ofOrganization = { ...input, kilocodeOrganizationId: organizationId }
    const { cloudAgentSessionId } = await server.sessions.start(callerOf(user), ofOrganization)
    const heard = await hear(user.apiKey)
    await server.database.orm
      .delete(member)
      .where(and(eq(member.userId, user.userId), eq(member.organizationId, organizationId)))
    await hears(heard, 'session.deleted')
    const until = heard.frames.length
    const rename = (title: string) =>
      server.database.orm.update(session).set({ title }).where(eq(session.id, cloudAgentSessionId))
    await rename('Nobody is told of this')
    const own = await server.sessions.start(callerOf(user), input)
    await expect
      .poll(() => heard.events().at(-1), { timeout: 5_000 })
      .toMatchObject({ data: { session: { cloudAgentSessionId: own.cloudAgentSessionId } } })
    expect(JSON.stringify(heard.frames.slice(until))).not.toContain(cloudAgentSessionId)
    await server.database.orm.insert(member).values(membership)
    await expect
      .poll(() => heard.events().at(-1), { timeout: 5_000 })
      .toMatchObject({ event: 'session.created', data: { session: { cloudAgentSessionId } } })
    heard.socket.close()
  })
})
