import { setImmediate } from 'node:timers/promises'
import { newExecutionId, newSessionId } from '@corral/protocol'
import { afterAll, describe, expect, test } from 'vitest'
import { internalApiSecret, signedToken } from '../../identity/testIdentity.ts'
import { type Answer, bearer, expectRefusal, preparation, testFace } from './testFace.ts'

const face = await testFace()
const { operator } = face
afterAll(() => face[Symbol.asyncDispose]())

const internal = { ...bearer(operator.apiKey), 'x-internal-api-key': internalApiSecret }
const userMutations = [
  'start',
  'initiateFromPreparedSession',
  'initiateFromKilocodeSessionV2',
  'sendMessage',
  'sendMessageV2',
  'updateExecution',
  'interruptSession',
  'deleteSession',
]
const userQueries = ['getSession', 'listSessions', 'getMessageResult', 'getDiff', 'getTiming']
const restRoutes = [
  ['POST', '/api/cloud-agent/sessions/prepare'],
  ['POST', '/api/cloud-agent/sessions/stream-ticket'],
  ['GET', `/api/session/${newSessionId()}/export`],
] as const

describe('who may call', () => {
  test.each([...userMutations, 'prepareSession'])('%s needs a bearer, whatever its input', async (name) => {
    expectRefusal(await face.mutate(name, { nonsense: true }), 'unauthorized')
    expectRefusal(
      await face.mutate(name, { nonsense: true }, { 'x-internal-api-key': internalApiSecret }),
      'unauthorized',
    )
  })

  test.each(userQueries)('%s needs a bearer, whatever its input', async (name) => {
    expectRefusal(await face.query(name, { nonsense: true }), 'unauthorized')
  })

  test.each(restRoutes)('%s %s needs a bearer, whatever its input', async (method, path) => {
    const body = method === 'POST' ? '{"nonsense": true}' : undefined
    expectRefusal(await face.request(path, { method, body }), 'unauthorized')
  })

  test('prepareSession needs the internal key beside the bearer, whatever its input', async () => {
    const wrongKeys: Record<string, string>[] = [{}, { 'x-internal-api-key': 'wrong' }]
    for (const wrong of wrongKeys) {
      const answer = await face.mutate('prepareSession', { nonsense: true }, { ...bearer(operator.apiKey), ...wrong })
      expectRefusal(answer, 'internal_key_required')
    }
    expectRefusal(await face.mutate('prepareSession', { nonsense: true }, internal), 'invalid_input')
  })

  test('a JWT of our back ends is as good as a key', async () => {
    const answer = await face.query('listSessions', {}, bearer(await signedToken(operator.userId)))
    expect(answer.status).toBe(200)
  })

  test('the balance is skipped with the internal key only', async () => {
    const skipping = { 'x-skip-balance-check': 'true' }
    const refused = await face.query('listSessions', {}, { ...bearer(operator.apiKey), ...skipping })
    expectRefusal(refused, 'balance_bypass_refused')
    expect((await face.query('listSessions', {}, { ...internal, ...skipping })).status).toBe(200)
  })

  test('anybody may ask for health', async () => {
    const health = { status: 'ok', timestamp: expect.any(Number), version: '0.1.0' }
    expect((await face.request('/health')).json).toEqual(health)
    expect((await face.query('health')).json).toEqual({ result: { data: health } })
  })
})

describe('names', () => {
  test.each(['noSuchProcedure', 'toString', '__proto__', 'sessions.get'])('%s is unknown', async (name) => {
    expectRefusal(await face.mutate(name, {}, internal), 'procedure_not_found')
  })
})

describe('inputs', () => {
  const start = (changes: object) => face.mutate('start', { ...preparation, ...changes }, bearer(operator.apiKey))
  const pathsOf = (answer: Answer) => {
    expectRefusal(answer, 'invalid_input')
    const { details } = answer.refusal ?? {}
    return Array.isArray(details) ? details.map((detail) => detail.path) : details
  }
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`NAME_${i}`, 'x']))
  const names = (length: number) => ({ ['N'.repeat(length)]: 'x' })

  test.each([
    ['100,000 characters', { prompt: '😀'.repeat(50_000) }],
    ['50 variables', { envVars: many(50) }],
    ['a variable of 256 characters', { envVars: { NAME: 'x'.repeat(256) } }],
    ['a variable whose name has 256 characters', { envVars: names(256) }],
    ['20 commands', { setupCommands: Array.from({ length: 20 }, () => 'true') }],
    ['a command of 500 characters', { setupCommands: ['x'.repeat(500)] }],
    ['a model name of 255 characters', { model: 'm'.repeat(255) }],
    ['an installation, which is ours to find', { githubInstallationId: 42 }],
    ['what PostgreSQL cannot store', { prompt: 'a\0b\ud800c' }],
  ])('%s are taken', async (_, changes) => {
    const answer = await start(changes)
    expect(answer.json).toMatchObject({ result: { data: { status: 'queued' } } })
  })

  test.each([
    ['100,001 characters', { prompt: 'x'.repeat(100_001) }, 'prompt'],
    ['no prompt', { prompt: '' }, 'prompt'],
    ['51 variables', { envVars: many(51) }, 'envVars'],
    ['a variable of 257 characters', { envVars: { NAME: 'x'.repeat(257) } }, 'envVars.NAME'],
    ['a variable whose name has 257 characters', { envVars: names(257) }, `envVars.${'N'.repeat(257)}`],
    ['a reserved variable', { envVars: { https_proxy: 'x' } }, 'envVars.https_proxy'],
    ['21 commands', { setupCommands: Array.from({ length: 21 }, () => 'true') }, 'setupCommands'],
    ['a command of 501 characters', { setupCommands: ['true', 'x'.repeat(501)] }, 'setupCommands.1'],
    ['a model name of 256 characters', { model: 'm'.repeat(256) }, 'model'],
    ['two repositories', { gitUrl: 'https://example.com/a/b' }, 'githubRepo'],
    ['no repository', { githubRepo: undefined }, 'githubRepo'],
    ['a branch that is an option', { upstreamBranch: '-x' }, 'upstreamBranch'],
    ['an unknown member', { mcpServer: {} }, 'mcpServer'],
    ['a clientId with spaces', { clientId: 'a b' }, 'clientId'],
  ])('%s are refused by name', async (_, changes, path) => {
    expect(pathsOf(await start(changes))).toEqual([path])
  })

  test('every member that is wrong is named, and no value is repeated', async () => {
    const answer = await start({
      mode: 'Code',
      envVars: { HOME: 'secret-1', GOOD: 'secret-2'.repeat(50) },
      more: 'secret-3',
    })
    expect(pathsOf(answer)).toEqual(['mode', 'envVars.HOME', 'envVars.GOOD', 'more'])
    expect(answer.text).not.toContain('secret')
  })

  test.each([
    ['getSession', {}, 'cloudAgentSessionId'],
    ['getSession', { sessionId: 'agent_1' }, 'sessionId'],
    ['getSession', { sessionId: newSessionId().toUpperCase() }, 'sessionId'],
    ['getSession', { sessionId: newSessionId(), cloudAgentSessionId: newSessionId() }, 'sessionId'],
    ['getSession', { kiloSessionId: 'ses_' }, 'kiloSessionId'],
    ['getSession', undefined, 'input'],
    ['getSession', 'agent_1', 'input'],
    ['listSessions', { limit: 101 }, 'limit'],
    ['listSessions', { cursor: 'nonsense' }, 'cursor'],
    ['getMessageResult', { sessionId: newSessionId(), executionId: newExecutionId(), waitMs: 30_001 }, 'waitMs'],
    ['getMessageResult', { sessionId: newSessionId(), executionId: 'exec_1' }, 'executionId'],
  ])('%s refuses %j by name', async (name, input, path) => {
    const answer = await face.query(name, input, bearer(operator.apiKey))
    expect(pathsOf(answer)).toContain(path)
  })

  test('REST refuses the same, as problem+json', async () => {
    const body = JSON.stringify({ ...preparation, organizationId: 'a', kilocodeOrganizationId: 'b', more: 1 })
    const answer = await face.request('/api/cloud-agent/sessions/prepare', {
      method: 'POST',
      headers: bearer(operator.apiKey),
      body,
    })
    expectRefusal(answer, 'invalid_input')
    expect(answer.type).toBe('application/problem+json')
    expect(answer.json).toMatchObject({
      status: 400,
      reason: 'invalid_input',
      error: 'invalid_input',
      detail: 'more: is not known (and 1 more; see details).',
      details: [
        { path: 'more', message: 'is not known' },
        { path: 'organizationId', message: 'differs from kilocodeOrganizationId' },
      ],
    })
  })

  test('a parameter that the export does not know is refused by name', async () => {
    const answer = await face.request(`/api/session/${newSessionId()}/export?before=3`, {
      headers: bearer(operator.apiKey),
    })
    expect(pathsOf(answer)).toEqual(['before'])
  })
})

describe('requests', () => {
  const sendText = (body: BodyInit, headers: Record<string, string> = {}, path = '/trpc/start') =>
    face.request(path, { method: 'POST', headers: { ...bearer(operator.apiKey), ...headers }, body })

  test.each(['/trpc/start', '/api/cloud-agent/sessions/prepare'])(
    '%s takes 4 MiB and not a byte more',
    async (path) => {
      const mebibytes = 4 * 1024 * 1024
      expectRefusal(await sendText('"'.padEnd(mebibytes - 1, 'x').concat('"'), {}, path), 'invalid_input')
      expectRefusal(await sendText('"'.padEnd(mebibytes, 'x').concat('"'), {}, path), 'body_too_large')
    },
  )

  test('a body that does not say its size is measured all the same', async () => {
    let chunks = 0
    const large = new ReadableStream({
      // The server, which is in this process, must get its turn between two chunks.
      async pull(controller) {
        await setImmediate()
        chunks += 1
        if (chunks <= 1_024) controller.enqueue(new Uint8Array(64 * 1024))
        else controller.close()
      },
    })
    expectRefusal(await sendText(large), 'body_too_large')
    expect(chunks, 'it is not read to its end').toBeLessThan(1_024)
  })

  test.each(['/trpc/start', '/api/cloud-agent/sessions/prepare'])('%s takes JSON alone', async (path) => {
    for (const body of ['', '{', 'prompt=x']) expectRefusal(await sendText(body, {}, path), 'invalid_input')
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      const answer = await sendText(JSON.stringify(preparation), { 'content-type': type }, path)
      expectRefusal(answer, 'invalid_input')
      expect(answer.refusal?.details).toEqual([{ path: 'Content-Type', message: 'must be application/json' }])
    }
  })

  test('a mutation is not made by GET, and a query not by POST', async () => {
    expectRefusal(await face.query('start', preparation, bearer(operator.apiKey)), 'invalid_input')
    expectRefusal(await face.mutate('listSessions', {}, bearer(operator.apiKey)), 'invalid_input')
  })

  test('a batch may have 20 calls', async () => {
    const batch = (count: number) => face.request(`/trpc/${Array(count).fill('health').join(',')}?batch=1&input={}`)
    expect((await batch(20)).json).toHaveLength(20)
    const refused = await batch(21)
    expectRefusal(refused, 'invalid_input')
    expect(refused.type).toBe('application/json')
  })

  test('each call of a batch has its own answer', async () => {
    const answer = await face.request(
      `/trpc/health,getSession,nothing?batch=1&input=${encodeURIComponent('{"1":{}}')}`,
      { headers: bearer(operator.apiKey) },
    )
    expect(answer.status).toBe(207)
    expect(answer.json).toMatchObject([
      { result: { data: { status: 'ok' } } },
      { error: { data: { reason: 'invalid_input', path: 'getSession' } } },
      { error: { data: { reason: 'procedure_not_found', path: 'nothing' } } },
    ])
  })
})

test('ids on the wire have the forms of the contract', async () => {
  const { json } = await face.mutate('start', preparation, bearer(operator.apiKey))
  expect(json).toEqual({
    result: {
      data: {
        cloudAgentSessionId: expect.stringMatching(/^agent_[0-9a-f-]{36}$/),
        kiloSessionId: expect.stringMatching(/^ses_[0-9a-f]{12}[0-9A-Za-z]{14}$/),
        executionId: expect.stringMatching(/^exec_[0-9A-HJKMNP-TV-Z]{26}$/),
        status: 'queued',
        streamUrl: expect.stringMatching(/^\/stream\?cloudAgentSessionId=agent_/),
      },
    },
  })
})
