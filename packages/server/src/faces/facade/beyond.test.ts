/** What the facade offers beyond its reference interface, and that all of it can be switched off. */
import { createKiloClient } from '@kilocode/sdk/v2/client'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { session, workspace } from '../../database/schema.ts'
import { expectRefused, type TestFacade, testFacade } from './testFacade.ts'

let face: TestFacade
let plain: TestFacade
beforeAll(async () => {
  ;[face, plain] = await Promise.all([testFacade(), testFacade({ beyond: false })])
})
afterAll(() => Promise.all([face, plain].map((one) => one[Symbol.asyncDispose]())))

const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  face.request(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
/** On a busy machine, too. */
const eventually = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 15_000, interval: 25 })
const text = (words: string) => ({ type: 'text', text: words })

describe('a new session', () => {
  const repository = { githubRepo: 'corral/sample', branch: 'main' }

  test('is about a repository, has begun, and is named by its first message', async () => {
    const answer = await send('POST', '/session', {
      ...{ agent: 'plan', model: { providerID: 'corral', id: 'scripted/demo' }, platform: 'an editor' },
      permission: [
        { permission: 'bash', pattern: '*', action: 'ask' },
        { permission: 'edit', pattern: 'docs/*', action: 'deny' },
      ],
      metadata: { repository, cloudAgent: { autoCommit: true } },
    })
    expect(answer).toMatchObject({
      status: 200,
      json: { title: '', agent: 'plan', metadata: { gitUrl: 'https://github.com/corral/sample', gitBranch: 'main' } },
    })
    const { id, metadata } = JSON.parse(answer.text)
    const [row] = await face.database.orm.select().from(session).where(eq(session.id, metadata.cloudAgentSessionId))
    expect(row).toMatchObject({
      state: 'open',
      configuration: {
        ...{ mode: 'plan', model: 'scripted/demo', upstreamBranch: 'main', autoCommit: true },
        createdOnPlatform: 'an editor',
        permissions: {
          rules: [
            { tool: 'bash', action: 'ask' },
            { tool: 'edit', pattern: 'docs/*', action: 'deny' },
          ],
        },
      },
    })
    expect((await face.request(`/session/${id}/message`)).json).toEqual([])
    expect((await face.request(`/session/status?directory=/cloud-agent/sessions/${id}`)).json).toEqual({})
    expect((await send('POST', `/session/${id}/prompt_async`, { parts: [text('Mend it')] })).status).toBe(204)
    expect((await face.request(`/session/${id}`)).json).toMatchObject({ title: 'Mend it' })
  })

  test('is the same for the same Idempotency-Key', async () => {
    const key = { 'idempotency-key': 'once' }
    const body = { title: 'Twice', metadata: { repository } }
    const [one, other] = [await send('POST', '/session', body, key), await send('POST', '/session', body, key)]
    expect(one).toMatchObject({ status: 200, json: { title: 'Twice' } })
    expect(other.json).toMatchObject({ id: JSON.parse(one.text).id })
    const changed = await send('POST', '/session', { ...body, title: 'Other' }, key)
    expectRefused(changed, 409, 'KILO_SESSION_CREATE_CONFLICT')
  })

  const unsupported = 'KILO_SESSION_CREATE_UNSUPPORTED'
  test.each([
    ['no repository', { title: 'x' }, 501, 'KILO_ROUTE_UNSUPPORTED', 'repository'],
    ['nothing', undefined, 501, 'KILO_ROUTE_UNSUPPORTED', 'repository'],
    ['parentID', { parentID: 'ses_x', metadata: { repository } }, 400, unsupported, 'parentID'],
    ['workspaceID', { workspaceID: 'w', metadata: { repository } }, 400, unsupported, 'workspaceID'],
    ['sandboxInheritanceToken', { sandboxInheritanceToken: 't' }, 400, unsupported, 'sandboxInheritanceToken'],
    ['a prompt', { metadata: { repository, cloudAgent: { prompt: 'x' } } }, 400, unsupported, 'prompt'],
    [
      'two repositories',
      { metadata: { repository: { ...repository, gitUrl: 'https://x.org/y' } } },
      400,
      unsupported,
      'githubRepo',
    ],
    [
      'an organization of others',
      { metadata: { repository, cloudAgent: { kilocodeOrganizationId: 'x' } } },
      400,
      unsupported,
      '',
    ],
    [
      'an address that is not allowed',
      { metadata: { repository: { gitUrl: 'https://10.0.0.1/x' } } },
      400,
      unsupported,
      '',
    ],
  ])('is refused with %s', async (_, body, status, error, named) => {
    expectRefused(await send('POST', '/session', body), status, error, named)
  })
})

describe('a session', () => {
  test('is renamed, which its feed tells, and the agent’s own title does not undo', async () => {
    const { id, agentSessionId } = await face.start({ prompt: 'First words' })
    const client = createKiloClient({
      baseUrl: `${face.url}/kilo`,
      headers: { Authorization: `Bearer ${face.operator.apiKey}` },
    })
    const abort = new AbortController()
    const directory = `/cloud-agent/sessions/${agentSessionId}`
    const titles: unknown[] = []
    const { stream } = await client.event.subscribe({ directory }, { signal: abort.signal })
    const over = (async () => {
      for await (const event of stream) {
        if (event.type === 'session.updated') titles.push(event.properties.info.title)
        else if (event.type === 'server.connected') titles.push('connected')
      }
    })()
    await eventually(() => expect(titles).toEqual(['connected']))
    const renamed = await client.session.update({ sessionID: agentSessionId, title: '  The door ' })
    expect(renamed.data).toMatchObject({ id: agentSessionId, title: 'The door', directory })
    const info = { id: agentSessionId, title: 'First words', directory: '/workspace/x', path: 'x', projectID: 'p' }
    await face.say(id, [{ type: 'session.updated', properties: { sessionID: agentSessionId, info } }])
    await eventually(() => expect(titles).toEqual(['connected', 'The door', 'The door']))
    for (const body of [{}, { title: '' }, { title: 'x'.repeat(201) }, { title: 'x', time: { archived: 1 } }]) {
      expectRefused(await send('PATCH', `/session/${agentSessionId}`, body), 400, 'KILO_SESSION_UPDATE_UNSUPPORTED')
    }
    abort.abort()
    await over
  })

  test('is shared and no more', async () => {
    const { agentSessionId } = await face.start()
    const path = `/session/${agentSessionId}`
    const { share } = JSON.parse((await send('POST', `${path}/share`)).text)
    expect(share.url).toMatch(/^http:\/\/[^/]+\/session\/[0-9a-f]{32}\.[\w-]{43}$/)
    expect((await face.request(path)).json).toMatchObject({ share })
    expect((await send('DELETE', `${path}/share`)).json).not.toHaveProperty('share')
    expect(JSON.parse((await send('POST', `${path}/share`)).text).share).not.toEqual(share)
  })

  test('is deleted', async () => {
    const { agentSessionId } = await face.start()
    expect((await send('DELETE', `/session/${agentSessionId}`)).json).toBe(true)
    expectRefused(await send('DELETE', `/session/${agentSessionId}`), 404, 'KILO_SESSION_NOT_FOUND')
  })

  test('says what it has to do and what it has changed', async () => {
    const { id, agentSessionId } = await face.start()
    for (const what of ['todo', 'diff'])
      expect((await face.request(`/session/${agentSessionId}/${what}`)).json).toEqual([])
    const todos = (content: string) => [{ content, status: 'pending', priority: 'high' }]
    for (const sessionID of [agentSessionId, 'ses_child']) {
      await face.say(id, [{ type: 'todo.updated', properties: { sessionID, todos: todos(`of ${sessionID}`) } }])
    }
    const patches = [
      'diff --git a/a.ts b/a.ts\nindex 1..2 100644\n--- a/a.ts\n+++ b/a.ts\n@@ -1 +1 @@\n-a\n+b\n',
      'diff --git a/old name b/old name\ndeleted file mode 100644\n--- a/old name\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n',
    ]
    const diff = {
      ...{ base: '1', truncated: true, patch: patches.join('') },
      files: [
        { path: 'a.ts', status: 'modified' as const, additions: 1, deletions: 1 },
        { path: 'old name', status: 'deleted' as const, additions: 0, deletions: 1 },
        { path: 'cut off', status: 'added' as const, additions: 9, deletions: 0 },
      ],
    }
    await face.database.orm.update(workspace).set({ diff }).where(eq(workspace.sessionId, id))
    expect((await face.request(`/session/${agentSessionId}/todo`)).json).toEqual(todos(`of ${agentSessionId}`))
    expect((await face.request(`/session/${agentSessionId}/diff`)).json).toEqual([
      { file: 'a.ts', status: 'modified', additions: 1, deletions: 1, patch: patches[0] },
      { file: 'old name', status: 'deleted', additions: 0, deletions: 1, patch: patches[1] },
      { file: 'cut off', status: 'added', additions: 9, deletions: 0 },
    ])
    const ofMessage = await face.request(`/session/${agentSessionId}/diff?messageID=msg_1`)
    expectRefused(ofMessage, 400, 'KILO_SESSION_SELECTOR_UNSUPPORTED', 'messageID')
  })
})

describe('a key', () => {
  const asPassword = (key: string) => ({ authorization: `Basic ${Buffer.from(`opencode:${key}`).toString('base64')}` })
  const status = async (of: TestFacade, authorization: string) =>
    (await fetch(`${of.url}/opencode/session`, { headers: { authorization } })).status

  test('is a password, too, for clients that know nothing else', async () => {
    expect(await status(face, asPassword(face.operator.apiKey).authorization)).toBe(200)
    expect(await status(plain, asPassword(plain.operator.apiKey).authorization), 'not without what is beyond').toBe(401)
    for (const wrong of [
      asPassword('wrong').authorization,
      asPassword('').authorization,
      'Basic',
      'Basic !',
      'Basic YQ==',
    ]) {
      expect(await status(face, wrong)).toBe(401)
    }
  })
})

describe('without what is beyond', () => {
  test('its routes, selectors and members are refused, and the rest is as before', async () => {
    const { agentSessionId } = await plain.start()
    const at = `/session/${agentSessionId}`
    const body = (value: unknown) => ({ method: 'POST', body: JSON.stringify(value) })
    const routes: [string, RequestInit][] = [
      ['/session', body({})],
      ['/global/health', {}],
      [`${at}/message`, body({ parts: [text('x')] })],
      [`${at}/permissions/per_1`, body({ response: 'once' })],
      [at, { method: 'PATCH', body: '{"title":"x"}' }],
      [at, { method: 'DELETE' }],
      [`${at}/todo`, {}],
      [`${at}/diff`, {}],
      [`${at}/share`, { method: 'POST' }],
    ]
    for (const [path, init] of routes) expectRefused(await plain.request(path, init), 501, 'KILO_ROUTE_UNSUPPORTED')
    for (const query of ['directory=/cloud-agent', 'roots=true', 'search=x', 'cursor=x']) {
      expectRefused(await plain.request(`/session?${query}`), 400, 'KILO_SESSION_LIST_SELECTOR_UNSUPPORTED')
    }
    expectRefused(await plain.request('/event'), 400, 'KILO_EVENT_DIRECTORY_REQUIRED')
    const own = `/cloud-agent/sessions/${agentSessionId}`
    expectRefused(await plain.request(`/global/event?directory=${own}`), 400, 'KILO_EVENT_SELECTOR_UNSUPPORTED')
    expectRefused(await plain.request(`/session?directory=${own}`), 400, 'KILO_SESSION_LIST_SELECTOR_UNSUPPORTED')
    for (const path of ['/question', '/permission', '/suggestion', '/session/status']) {
      expectRefused(await plain.request(path), 400, 'KILO_SESSION_SELECTOR_UNSUPPORTED')
      expect((await plain.request(`${path}?directory=/cloud-agent/sessions/${agentSessionId}`)).status).toBe(200)
    }
    for (const more of [
      { agent: 'plan' },
      { model: {} },
      { variant: 'x' },
      { system: 'x' },
      { snapshotInitialization: 'wait' },
    ]) {
      const answer = await plain.request(`${at}/prompt_async`, body({ parts: [text('x')], ...more }))
      expectRefused(answer, 400, 'KILO_BASIC_PROMPT_UNSUPPORTED', Object.keys(more)[0])
    }
    expect((await plain.request(`${at}/prompt_async`, body({ parts: [text('x')] }))).status).toBe(204)
    expect((await plain.request(at)).json).not.toHaveProperty('metadata')
    expect((await plain.request(`${at}/message?limit=1`)).json).toHaveLength(1)
  })
})
