/** The deprecated names, as a real client of tRPC sees them and as they are on the wire. */
import type { SessionId } from '@corral/protocol'
import { createTRPCClient, httpSubscriptionLink, TRPCClientError } from '@trpc/client'
import { EventSource } from 'eventsource'
import { afterAll, describe, expect, test } from 'vitest'
import { event, execution, session } from '../../database/schema.ts'
import { testCloudAgent } from '../../testing/cloudAgent.ts'
import type { FlatEvent } from './executionStream.ts'
import type { AppRouter } from './router.ts'
import { preparation } from './testFace.ts'

const face = await testCloudAgent()
afterAll(() => face[Symbol.asyncDispose]())
const { database, sessions, caller } = face
const headers = { authorization: `Bearer ${face.apiKey}` }

const client = createTRPCClient<AppRouter>({
  links: [
    httpSubscriptionLink({
      url: `${face.url}/trpc`,
      EventSource,
      eventSourceOptions: async () => ({ fetch: authorized }),
    }),
  ],
})
const authorized: typeof fetch = (url, init) => fetch(url, { ...init, headers: { ...init?.headers, ...headers } })

type Seen = { id: string; data: FlatEvent }
type Stream = { seen: Seen[]; error: unknown; ended: Promise<void>; stop(): void }
type Handlers = { onData(value: unknown): void; onError(error: unknown): void; onComplete(): void }

function watch(open: (handlers: Handlers) => { unsubscribe(): void }): Stream {
  const ended = Promise.withResolvers<void>()
  const stream: Stream = { seen: [], error: null, ended: ended.promise, stop: () => subscription.unsubscribe() }
  const subscription = open({
    onData: (value) => void stream.seen.push(value as Seen),
    onError(error) {
      stream.error = error
      ended.resolve()
    },
    onComplete: ended.resolve,
  })
  return stream
}
const initiate = (more: object = {}) =>
  watch((handlers) => client.initiateSessionStream.subscribe({ ...preparation, ...more }, handlers))
const typesOf = (stream: Stream) => stream.seen.map(({ data }) => data.streamEventType)
const until = (holds: () => boolean) => expect.poll(holds, { timeout: 10_000 }).toBe(true)
const counts = async () => [
  (await database.orm.select().from(session)).length,
  (await database.orm.select().from(execution)).length,
  (await database.orm.select().from(event)).length,
]

/** As it is on the wire. */
const get = (name: string, input: unknown, more: Record<string, string> = {}) =>
  fetch(`${face.url}/trpc/${name}?input=${encodeURIComponent(JSON.stringify(input))}`, {
    headers: { ...headers, ...more },
  })

describe('a stream', () => {
  test('begins a session, is flat, and ends after what ends the execution', async () => {
    const stream = initiate()
    await until(() => stream.seen.length > 0)
    const [first] = stream.seen
    if (!first) throw new Error('nothing came')
    const [sessionId, executionId] = first.id.split(':')
    expect(first).toEqual({
      id: `${sessionId}:${executionId}:1`,
      data: expect.objectContaining({ streamEventType: 'queued', sessionId, executionId, text: preparation.prompt }),
    })
    await face.append(sessionId as SessionId, ['of everybody'])
    await until(() => stream.seen.length === 2)
    expect(stream.seen[1]?.data).toEqual({
      streamEventType: 'output',
      sessionId,
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      content: 'of everybody',
      source: 'stdout',
    })
    await sessions.interrupt(caller, sessionId as SessionId)
    await stream.ended
    expect(stream.error).toBe(null)
    expect(typesOf(stream)).toEqual(['queued', 'output', 'interrupted'])
  })

  test('of a message shows nothing of another one', async () => {
    const id = await face.addSession()
    const stream = watch((handlers) =>
      client.sendMessageStream.subscribe(
        { sessionId: id, prompt: 'On', mode: 'code', model: 'scripted/demo' },
        handlers,
      ),
    )
    await until(() => stream.seen.length === 1)
    expect(stream.seen[0]?.data).toMatchObject({ streamEventType: 'queued', text: 'On' })
    await sessions.interrupt(caller, id)
    await stream.ended
    expect(typesOf(stream)).toEqual(['queued', 'interrupted'])
  })

  test('of a prepared session initiates it, and again gives the same execution', async () => {
    const { cloudAgentSessionId } = await sessions.prepare(caller, { ...preparation })
    const open = () =>
      watch((handlers) => client.initiateFromKilocodeSession.subscribe({ cloudAgentSessionId }, handlers))
    const [one, two] = [open(), open()]
    await until(() => one.seen.length === 1 && two.seen.length === 1)
    expect(one.seen).toEqual(two.seen)
    await sessions.interrupt(caller, cloudAgentSessionId)
    await Promise.all([one.ended, two.ended])
  })

  test('carries a callback, and booleans that are words', async () => {
    const input = {
      ...preparation,
      callbackUrl: 'https://example.com/done',
      autoCommit: 'true',
      shallow: 'false',
    } as const
    const stream = watch((handlers) => client.initiateSessionAsync.subscribe(input, handlers))
    await until(() => stream.seen.length === 1)
    const sessionId = stream.seen[0]?.data.sessionId as SessionId
    expect(await sessions.get(caller, { sessionId })).toMatchObject({ hasCallback: true, autoCommit: true })
    stream.stop()
  })

  test('that is closed stops nothing', async () => {
    const stream = initiate()
    await until(() => stream.seen.length === 1)
    const sessionId = stream.seen[0]?.data.sessionId as SessionId
    stream.stop()
    await face.append(sessionId, ['later'])
    expect(await sessions.get(caller, { sessionId })).toMatchObject({ queuedCount: 1 })
  })

  test('ends with an error when its session is deleted', async () => {
    const stream = initiate()
    await until(() => stream.seen.length === 1)
    await sessions.remove(caller, stream.seen[0]?.data.sessionId as SessionId)
    await stream.ended
    expect(stream.error).toBeInstanceOf(TRPCClientError)
    expect(stream.error).toMatchObject({ data: { reason: 'session_not_found', httpStatus: 404 } })
  })

  test('of a failure ends with its error and then its HTTP status, once', async () => {
    const stream = initiate()
    await until(() => stream.seen.length === 1)
    const [sessionId, executionId] = (stream.seen[0]?.id ?? '').split(':')
    await face.fail(sessionId as SessionId, 'setup_command_failed')
    await stream.ended
    expect(typesOf(stream)).toEqual(['queued', 'error'])
    expect(stream.error).toMatchObject({
      data: { httpStatus: 422, reason: 'setup_command_failed', retryable: false, cloudAgentSessionId: sessionId },
    })
    const again = await get('initiateSessionStream', {}, { 'last-event-id': `${sessionId}:${executionId}:1` })
    const text = await again.text()
    expect(text).toMatch(/event: serialized-error\ndata: .*"httpStatus":422/)
    expect(text.match(/"streamEventType":"error"/g)).toHaveLength(1)
  })

  test('says that its name is deprecated', async () => {
    const abort = new AbortController()
    const url = `${face.url}/trpc/initiateSessionStream?input=${encodeURIComponent(JSON.stringify(preparation))}`
    const response = await fetch(url, { headers, signal: abort.signal })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('deprecation')).toBe('true')
    abort.abort()
  })
})

describe('a reconnect', () => {
  test('goes on after what was seen, by header, parameter or input, and begins nothing', async () => {
    const stream = initiate()
    await until(() => stream.seen.length === 1)
    const { id } = stream.seen[0] ?? { id: '' }
    const sessionId = id.split(':')[0] as SessionId
    await face.append(sessionId, ['two', 'three'])
    await sessions.interrupt(caller, sessionId)
    await stream.ended
    const before = await counts()
    const second = stream.seen[1]?.id ?? ''
    const answers = await Promise.all([
      get('initiateSessionStream', preparation, { 'last-event-id': second }),
      get('initiateSessionStream', { ...preparation, lastEventId: second }),
      fetch(`${face.url}/trpc/initiateSessionStream?lastEventId=${second}`, { headers }),
    ])
    for (const answer of answers) {
      const ids = [...(await answer.text()).matchAll(/^id: (.*)$/gm)].map(([, found]) => found)
      expect(ids).toEqual(stream.seen.slice(2).map((seen) => seen.id))
    }
    expect(await counts()).toEqual(before)
  })

  test('to what is not there, or not one’s own, is refused and begins nothing', async () => {
    const before = await counts()
    const nobody = `agent_${crypto.randomUUID()}:exec_01ARZ3NDEKTSV4RRFFQ69G5FAV:1`
    expect((await get('initiateSessionStream', preparation, { 'last-event-id': nobody })).status).toBe(404)
    for (const broken of ['x', `${nobody}:1`, `${nobody}x`, nobody.replace(/:1$/, ':-1')]) {
      const answer = await get('initiateSessionStream', preparation, { 'last-event-id': broken })
      expect(answer.status, broken).toBe(400)
    }
    expect(await counts()).toEqual(before)
  })

  test('with an idempotency key begins nothing even before the first event was seen', async () => {
    const key = { 'idempotency-key': 'the-same-click' }
    const [one, two] = await Promise.all([
      get('initiateSessionStream', preparation, key),
      get('initiateSessionStream', preparation, key),
    ])
    const before = await counts()
    expect([one.status, two.status]).toEqual([200, 200])
    expect((await get('initiateSessionStream', { ...preparation, mode: 'ask' }, key)).status).toBe(409)
    expect(await counts()).toEqual(before)
    await Promise.all([one.body?.cancel(), two.body?.cancel()])
  })
})

describe('a refusal is an HTTP status before the stream', () => {
  const never = `agent_${crypto.randomUUID()}`
  test.each([
    ['initiateSessionStream', { ...preparation, mode: 'X' }, 400, 'invalid_input', 'mode'],
    ['initiateSessionStream', { ...preparation, more: 1 }, 400, 'invalid_input', 'more'],
    ['initiateSessionStream', { ...preparation, kilocodeOrganizationId: 'x' }, 404, 'organization_not_found', null],
    ['initiateSessionAsync', preparation, 400, 'invalid_input', 'callbackUrl'],
    ['initiateSessionAsync', { ...preparation, callbackUrl: 'http://10.0.0.1' }, 400, 'target_refused', null],
    ['sendMessageStream', { sessionId: never, prompt: 'On' }, 404, 'session_not_found', null],
    ['sendMessageStream', { sessionId: never, prompt: '' }, 400, 'invalid_input', 'prompt'],
    ['initiateFromKilocodeSession', { cloudAgentSessionId: never }, 404, 'session_not_found', null],
    ['initiateFromKilocodeSession', { cloudAgentSessionId: never, x: 1 }, 400, 'invalid_input', 'x'],
    ['initiateFromKilocodeSession', { ...preparation, kiloSessionId: 'ses_1' }, 404, 'session_not_found', null],
  ])('%s of %j: %d', async (name, input, status, reason, path) => {
    const before = await counts()
    const answer = await get(name, input)
    const body = (await answer.json()) as { error: { data: { reason: string; details?: { path: string }[] } } }
    expect([answer.status, body.error.data.reason]).toEqual([status, reason])
    expect(answer.headers.get('content-type')).toBe('application/json')
    if (path !== null) expect(body.error.data.details?.map((detail) => detail.path)).toContain(path)
    expect(await counts()).toEqual(before)
  })

  test('also for who does not sign in, and for what is no request of one stream', async () => {
    const url = `${face.url}/trpc/initiateSessionStream`
    const input = encodeURIComponent(JSON.stringify(preparation))
    expect((await fetch(`${url}?input=${input}`)).status).toBe(401)
    expect((await fetch(`${url}?input={`, { headers })).status).toBe(400)
    expect(
      (await fetch(`${url}?batch=1&input=${encodeURIComponent(JSON.stringify({ 0: preparation }))}`, { headers }))
        .status,
    ).toBe(400)
    const posted = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(preparation),
    })
    expect(posted.status).toBe(400)
    expect(
      (
        await fetch(
          `${url}?input=${encodeURIComponent(JSON.stringify({ ...preparation, prompt: 'x'.repeat(20_000) }))}`,
          { headers },
        )
      ).status,
    ).toBe(431)
  })
})
