/** Prompts, stops, answers and feeds, as the SDKs give and follow them. */

import { newAgentSessionId, newMessageId, type SessionId } from '@corral/protocol'
import { createKiloClient } from '@kilocode/sdk/client'
import { createKiloClient as createKiloClient2 } from '@kilocode/sdk/v2/client'
import { createOpencodeClient } from '@opencode-ai/sdk/client'
import { createOpencodeClient as createOpencodeClient2 } from '@opencode-ai/sdk/v2/client'
import { and, eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { startProxy } from '../../../../client/src/testing/proxy.ts'
import { ask } from '../../database/askTables.ts'
import { execution, session } from '../../database/schema.ts'
import { assistantSays, expectRefused, type TestFacade, testFacade } from './testFacade.ts'

let face: TestFacade
beforeAll(async () => {
  face = await testFacade()
})
afterAll(() => face[Symbol.asyncDispose]())

const post = (path: string, body?: unknown, headers: Record<string, string> = {}) =>
  face.request(path, { method: 'POST', headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
/** On a busy machine, too. */
const eventually = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 15_000, interval: 25 })
const text = (words: string) => ({ type: 'text', text: words })
const executionsOf = (id: SessionId) =>
  face.database.orm.select().from(execution).where(eq(execution.sessionId, id)).orderBy(execution.queuedSeq)

/** An open ask of a running execution, as its row; the agent is away. */
async function openAsk(
  id: SessionId,
  kind: 'question' | 'permission',
  changes: Record<string, unknown> = {},
): Promise<string> {
  const [row] = await executionsOf(id)
  if (!row) throw new Error('nothing was queued')
  await face.database.orm.update(execution).set({ state: 'running' }).where(eq(execution.id, row.id))
  const askId = `${kind === 'question' ? 'que' : 'per'}_${crypto.randomUUID().replaceAll('-', '')}`
  const agentSessionId = newAgentSessionId()
  const request =
    kind === 'question'
      ? {
          questions: [
            { question: 'Which?', header: 'Which', options: [{ label: 'Red', description: '' }], custom: false },
          ],
        }
      : { permission: 'bash', patterns: ['ls'], always: ['ls *'], metadata: {} }
  await face.database.orm.insert(ask).values({
    ...{ sessionId: id, id: askId, kind, executionId: row.id, agentSessionId, deadlineMs: 60_000 },
    request: { id: askId, sessionID: agentSessionId, ...request, ...changes },
  })
  return askId
}

describe('a prompt', () => {
  test('is queued under the ids that its sender has minted, once', async () => {
    const { id, agentSessionId } = await face.start()
    const path = `/session/${agentSessionId}/prompt_async`
    const messageID = newMessageId()
    const body = {
      ...{ messageID, parts: [{ ...text('One.'), id: 'prt_mine' }, text('Two.')] },
      ...{
        agent: 'plan',
        model: { providerID: 'kilo', modelID: 'scripted/demo' },
        variant: 'high',
        system: 'Be brief.',
      },
    }
    for (let i = 0; i < 3; i += 1) expect(await post(path, body)).toMatchObject({ status: 204, text: '' })
    const rows = await executionsOf(id)
    expect(rows).toHaveLength(2)
    expect(rows[1]).toMatchObject({
      ...{ prompt: 'One.\n\nTwo.', messageId: messageID, partId: 'prt_mine', clientId: messageID },
      request: { mode: 'plan', model: 'scripted/demo', variant: 'high', appendSystemPrompt: 'Be brief.' },
    })
    expect((await face.request(`/session/${agentSessionId}/message/${messageID}`)).json).toMatchObject({
      info: { id: messageID, role: 'user', agent: 'plan' },
      parts: [{ id: 'prt_mine', text: 'One.\n\nTwo.' }],
    })
    expectRefused(await post(path, { ...body, parts: [text('Other')] }), 409, 'KILO_PROMPT_ADMISSION_REJECTED')

    const first = rows[0]?.messageId
    expectRefused(await post(path, { messageID: first, parts: [text('x')] }), 409, 'KILO_PROMPT_ADMISSION_REJECTED')
    await post(path, { parts: [text('x')], model: { providerID: 'openai', modelID: 'gpt-5' } })
    expect((await executionsOf(id)).at(-1)?.request.model).toBe('openai/gpt-5')
  })

  const long = 'x'.repeat(50_000)
  test.each([
    ['no parts', { parts: [] }, 'parts'],
    ['empty text', { parts: [text('')] }, 'parts.0.text'],
    ['too much text', { parts: [text(long), text(long)] }, '100000'],
    ['an agent', { parts: [{ type: 'agent', name: 'explore' }] }, 'only parts of type text and file'],
    ['noReply', { parts: [text('x')], noReply: true }, 'noReply'],
    ['tools', { parts: [text('x')], tools: { bash: false } }, 'tools'],
    ['format', { parts: [text('x')], format: { type: 'text' } }, 'format'],
    ['a message id of another form', { messageID: 'msg-1', parts: [text('x')] }, 'messageID'],
  ])('is refused with %s', async (_, body, named) => {
    const { id, agentSessionId } = await face.start()
    expectRefused(
      await post(`/session/${agentSessionId}/prompt_async`, body),
      400,
      'KILO_BASIC_PROMPT_UNSUPPORTED',
      named,
    )
    expect(await executionsOf(id)).toHaveLength(1)
  })

  test('is refused when it is too large, when the queue is full, and without credits', async () => {
    const { id, agentSessionId } = await face.start()
    const path = `/session/${agentSessionId}/prompt_async`
    expectRefused(await post(path, { parts: [text('x'.repeat(256 * 1024))] }), 413, 'KILO_BODY_TOO_LARGE')
    const notJson = await face.request(path, { method: 'POST', body: '{' })
    expectRefused(notJson, 400, 'KILO_BASIC_PROMPT_UNSUPPORTED')
    for (let i = 0; i < 9; i += 1) expect((await post(path, { parts: [text(`${i}`)] })).status).toBe(204)
    expectRefused(await post(path, { parts: [text('x')] }), 429, 'KILO_PROMPT_QUEUE_FULL')
    await face.database.pool.query(`insert into budget (scope, scope_id, limit_usd) values ('session', $1, 0.5)`, [id])
    expectRefused(await post(path, { parts: [text('x')] }), 402, 'KILO_BALANCE_VALIDATION_FAILED')
  })

  test('is refused for a moment while this server may not write', async () => {
    const { agentSessionId } = await face.start()
    await face.database.pool.query('update server set term = 2')
    const refused = await post(`/session/${agentSessionId}/prompt_async`, { parts: [text('x')] })
    await face.database.pool.query('update server set term = 1')
    expectRefused(refused, 503, 'KILO_FACADE_UNAVAILABLE')
    expect(refused.headers.get('retry-after')).toBe('1')
  })

  test('is taken back by a stop, which also stops nothing', async () => {
    const { id, agentSessionId } = await face.start()
    for (let i = 0; i < 2; i += 1) expect((await post(`/session/${agentSessionId}/abort`)).json).toBe(true)
    expect((await executionsOf(id)).map(({ state }) => state)).toEqual(['interrupted'])
  })
})

describe('an ask', () => {
  test('is listed with its root, whoever asks, and answered once', async () => {
    const { id, agentSessionId } = await face.start()
    const askId = await openAsk(id, 'question')
    const directory = `?directory=${encodeURIComponent(`/cloud-agent/sessions/${agentSessionId}`)}`
    expect((await face.request(`/question${directory}`)).json).toMatchObject([{ id: askId, questions: [{}] }])
    expect(JSON.stringify((await face.request('/question')).json)).toContain(askId)
    expect((await face.request(`/permission${directory}`)).json).toEqual([])
    expect((await face.request(`/suggestion${directory}`)).json).toEqual([])

    for (const body of [{}, { answers: [] }, { answers: [['Blue']] }, { answers: 'Red' }]) {
      expectRefused(await post(`/question/${askId}/reply`, body), 400, 'KILO_INTERACTION_BODY_INVALID')
    }
    const answers = { answers: [['Red']] }
    expect((await post(`/question/${askId}/reply${directory}`, answers)).json).toBe(true)
    expect((await post(`/question/${askId}/reply`, answers)).json, 'the same again').toBe(true)
    expectRefused(await post(`/question/${askId}/reject`), 409, 'KILO_INTERACTION_ANSWERED')
    expect((await face.request(`/question${directory}`)).json).toEqual([])
  })

  test('of a sibling, of a stranger, of another kind or of nobody is not there, and the answer changes nothing', async () => {
    const { id } = await face.start()
    const sibling = await face.start()
    const permission = await openAsk(id, 'permission')
    const stranger = await face.newUser()
    const sees = (path: string, apiKey?: string) =>
      face.request(path, { method: 'POST', body: JSON.stringify({ reply: 'once' }), ...(apiKey && { apiKey }) })
    const answers = [
      await sees(`/permission/${permission}/reply?directory=/cloud-agent/sessions/${sibling.agentSessionId}`),
      await sees(`/permission/${permission}/reply`, stranger.apiKey),
      await sees('/permission/per_nobody/reply'),
      await sees(`/question/${permission}/reply`),
      await sees(`/suggestion/${permission}/accept`),
      await sees(`/session/${sibling.agentSessionId}/permissions/${permission}`),
    ]
    expect(new Set(answers.map(({ text: body }) => body)).size).toBe(1)
    expectRefused(answers[0] ?? expect.fail(), 404, 'KILO_INTERACTION_REQUEST_NOT_FOUND')
    expectRefused(
      await sees(`/permission/${permission}/reply?directory=/cloud-agent/sessions/${newAgentSessionId()}`),
      404,
      'KILO_SESSION_NOT_FOUND',
    )
    await face.sessions.interrupt(face.caller, id)
    expectRefused(
      await post(`/permission/${permission}/reply`, { reply: 'once' }),
      404,
      'KILO_INTERACTION_REQUEST_NOT_FOUND',
    )
  })

  test('of a permission: two answers at once, and one of them counts', async () => {
    const { id, agentSessionId } = await face.start()
    const askId = await openAsk(id, 'permission')
    const both = await Promise.all([
      post(`/permission/${askId}/reply`, { reply: 'once', message: 'Go on', interactive: true }),
      post(`/session/${agentSessionId}/permissions/${askId}`, { response: 'reject' }),
    ])
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 409])
  })

  test('lends its patterns to rules, in the form in which they are shown', async () => {
    const { id, agentSessionId } = await face.start()
    const workspacePath = `/workspace/${face.operator.userId}/sessions/${id}`
    const askId = await openAsk(id, 'permission', { permission: 'edit', always: [`${workspacePath}/src/*`, 'docs/*'] })
    const shown = `/cloud-agent/sessions/${agentSessionId}/src/*`
    expect((await face.request('/permission')).text).toContain(shown)
    const rules = { approvedAlways: [shown], deniedAlways: ['docs/*'] }
    for (let i = 0; i < 2; i += 1) expect((await post(`/permission/${askId}/always-rules`, rules)).json).toBe(true)
    const [row] = await face.database.orm.select().from(session).where(eq(session.id, id))
    expect(row?.configuration.permissions?.rules).toEqual([
      { tool: 'edit', action: 'auto', pattern: `${workspacePath}/src/*` },
      { tool: 'edit', action: 'deny', pattern: 'docs/*' },
    ])
    const foreign = await post(`/permission/${askId}/always-rules`, { approvedAlways: ['*'] })
    expectRefused(foreign, 400, 'KILO_INTERACTION_BODY_INVALID', 'approvedAlways')
    const [still] = await face.database.orm
      .select()
      .from(ask)
      .where(and(eq(ask.sessionId, id), eq(ask.id, askId)))
    expect(still?.state, 'a rule is no answer').toBe('open')
  })
})

type Config = { baseUrl: string; headers: Record<string, string>; directory: string }
type Subscription = { signal: AbortSignal; sseDefaultRetryDelay: number; sseMaxRetryDelay: number }
type Subscribe = (config: Config, options: Subscription) => Promise<{ stream: AsyncGenerator<unknown> }>
const clients: [name: string, base: string, subscribe: Subscribe][] = [
  ['@kilocode/sdk', '/kilo', (config, options) => createKiloClient(config).event.subscribe(options)],
  ['@kilocode/sdk v2', '/kilo', (config, options) => createKiloClient2(config).event.subscribe({}, options)],
  ['@opencode-ai/sdk', '/opencode', (config, options) => createOpencodeClient(config).event.subscribe(options)],
  ['@opencode-ai/sdk v2', '/opencode', (config, options) => createOpencodeClient2(config).event.subscribe({}, options)],
]

const eventSchema = z.object({ type: z.string(), properties: z.record(z.string(), z.unknown()) })
const globalSchema = z.object({ directory: z.string(), payload: eventSchema })

/** What the feed says, as the SDK hears it. */
function listen(stream: AsyncGenerator<unknown>) {
  const heard: z.infer<typeof eventSchema>[] = []
  const directories: string[] = []
  const over = (async () => {
    for await (const said of stream) {
      const global = globalSchema.safeParse(said).data
      heard.push(global?.payload ?? eventSchema.parse(said))
      if (global) directories.push(global.directory)
    }
  })()
  return {
    heard,
    directories,
    over,
    /** Texts of deltas, joined. */
    words: () =>
      heard.flatMap(({ type, properties }) => (type === 'message.part.delta' ? [properties.delta] : [])).join(''),
    types: () => heard.map(({ type }) => type),
  }
}

const deltaOf = (sessionID: string, messageID: string, delta: string) => ({
  type: 'message.part.delta',
  properties: { sessionID, messageID, partID: 'prt_grows', field: 'text', delta },
})

describe('the feed', () => {
  test.each(clients)('of a session is followed by %s, which resumes it inside a word', async (_, base, subscribe) => {
    const { id, agentSessionId } = await face.start()
    const config = {
      baseUrl: face.url + base,
      headers: { Authorization: `Bearer ${face.operator.apiKey}` },
      directory: `/cloud-agent/sessions/${agentSessionId}`,
    }
    const abort = new AbortController()
    await using network = await startProxy(face.url)
    /** Each connection of these is cut after so many bytes, the first of which are its head. */
    const cuts = Array.from({ length: 50 }, (_, i) => 900 + ((i * 37) % 400))
    network.cutAfter(cuts)
    const subscription = { signal: abort.signal, sseDefaultRetryDelay: 5, sseMaxRetryDelay: 20 }
    const whole = listen((await subscribe(config, subscription)).stream)
    const cut = listen((await subscribe({ ...config, baseUrl: network.url + base }, subscription)).stream)
    await eventually(() => expect([whole.types()[0], cut.types()[0]]).toEqual(['server.connected', 'server.connected']))

    const said = assistantSays(agentSessionId, [{ type: 'text', text: '' }])
    await face.say(id, said.events)
    const story = Array.from({ length: 150 }, (_, i) => `wo${i} r`)
    await face.say(
      id,
      story.map((delta) => deltaOf(agentSessionId, said.id, delta)),
    )
    await face.say(id, [
      { type: 'session.status', properties: { sessionID: agentSessionId, status: { type: 'idle' } } },
    ])
    for (const one of [whole, cut]) {
      await eventually(() => expect(one.types()).toContain('session.idle'))
      expect(one.words()).toBe(story.join(''))
    }
    expect(cuts, 'every cut was made').toEqual([])
    expect(cut.types().filter((type) => type === 'server.connected')).toHaveLength(51)
    expect(whole.heard.filter(({ type }) => type !== 'server.connected')).toEqual(
      cut.heard.filter(({ type }) => type !== 'server.connected'),
    )
    abort.abort()
    await Promise.all([whole.over, cut.over])
  })

  test('of everything tells of new sessions, in both forms, and of nobody else’s', async () => {
    const user = await face.newUser()
    const before = await face.start({ prompt: 'Already at work' }, user.userId)
    const client = createKiloClient2({
      baseUrl: `${face.url}/kilo`,
      headers: { Authorization: `Bearer ${user.apiKey}` },
    })
    const abort = new AbortController()
    const events = listen((await client.event.subscribe({}, { signal: abort.signal })).stream)
    const global = listen((await client.global.event({ signal: abort.signal })).stream)
    await eventually(() => expect(events.types()).toEqual(['server.connected', 'session.status']))
    expect(events.heard[1]?.properties).toEqual({ sessionID: before.agentSessionId, status: { type: 'busy' } })

    const others = await face.start()
    const flood = 'x'.repeat(4 * 1024 * 1024)
    await face.say(others.id, [deltaOf(others.agentSessionId, 'msg_1', flood)])
    const { id, agentSessionId } = await face.start({ prompt: 'New' }, user.userId)
    await face.sessions.interrupt({ userId: user.userId, botId: null, internal: false }, id)
    await eventually(() => expect(events.types()).toContain('cloud.message.failed'))
    await eventually(() => expect(events.types().at(-1)).toBe('session.status'))
    expect(events.heard.slice(2)).toMatchObject([
      { type: 'session.updated', properties: { info: { id: agentSessionId, title: 'New' } } },
      { type: 'cloud.message.queued', properties: { sessionID: agentSessionId, messageID: expect.any(String) } },
      { type: 'session.status', properties: { sessionID: agentSessionId } },
      { type: 'cloud.message.failed', properties: { sessionID: agentSessionId, reason: 'interrupted' } },
      { type: 'session.status', properties: { status: { type: 'idle' } } },
    ])
    const directory = `/cloud-agent/sessions/${agentSessionId}`
    await eventually(() => expect(global.heard).toHaveLength(events.heard.length))
    expect(global.types()).toEqual(events.types())
    expect([global.directories[0], global.directories.at(-1)]).toEqual(['/cloud-agent', directory])
    abort.abort()
  })

  test('of a session waits for a reader that has stopped; that of everything lets it go', {
    timeout: 60_000,
  }, async () => {
    const user = await face.newUser()
    const { id, agentSessionId } = await face.start({}, user.userId)
    const open = (path: string) =>
      fetch(`${face.url}/kilo${path}`, { headers: { Authorization: `Bearer ${user.apiKey}` } })
    const one = await open(`/event?directory=/cloud-agent/sessions/${agentSessionId}`)
    const all = await open('/event')
    const word = 'x'.repeat(64 * 1024)
    // More than the sockets between us take.
    for (let i = 0; i < 40; i += 1) {
      await face.say(
        id,
        Array.from({ length: 8 }, () => deltaOf(agentSessionId, 'msg_1', word)),
      )
    }
    await expect(all.text()).rejects.toThrow('terminated')
    let words = 0
    for await (const chunk of one.body ?? []) {
      words += chunk.filter((byte) => byte === 'x'.charCodeAt(0)).length
      if (words >= 40 * 8 * word.length) break
    }
    expect(words).toBeGreaterThanOrEqual(40 * 8 * word.length)
  })

  test('ends with the access, by a break', async () => {
    const colleague = await face.newUser()
    await face.auth.api.addMember({
      body: { userId: colleague.userId, organizationId: face.organizationId, role: 'member' },
    })
    const shared = await face.start({ kilocodeOrganizationId: face.organizationId }, colleague.userId)
    const deleted = await face.start()
    const open = (id: string, apiKey: string) =>
      fetch(`${face.url}/kilo/event?directory=/cloud-agent/sessions/${id}`, {
        headers: { Authorization: `Bearer ${apiKey}` },
      })
    const streams = [
      await open(shared.agentSessionId, colleague.apiKey),
      await open(deleted.agentSessionId, face.operator.apiKey),
    ]
    const broken = streams.map((response) => expect(response.text()).rejects.toThrow('terminated'))
    await face.database.pool.query('delete from member where user_id = $1', [colleague.userId])
    await face.sessions.remove(face.caller, deleted.id)
    await Promise.all(broken)
  })

  test.each([
    ['/event?directory=/elsewhere', 400, 'KILO_EVENT_SELECTOR_UNSUPPORTED'],
    ['/event?limit=1', 400, 'KILO_EVENT_SELECTOR_UNSUPPORTED'],
    ['/global/event?limit=1', 400, 'KILO_EVENT_SELECTOR_UNSUPPORTED'],
    ['/global/event?directory=/elsewhere', 400, 'KILO_EVENT_SELECTOR_UNSUPPORTED'],
    [`/event?directory=/cloud-agent/sessions/${newAgentSessionId()}`, 404, 'KILO_SESSION_NOT_FOUND'],
  ])('is refused at %s', async (path, status, code) => {
    expectRefused(await face.request(path), status, code)
  })
})
