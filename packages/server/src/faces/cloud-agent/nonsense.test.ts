/**
 * Random input at every procedure, every route and the socket: each is refused or done, never our fault, and what is
 * refused has written nothing. A failure names the seed that gives it again.
 */
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { internalApiSecret } from '../../identity/testIdentity.ts'
import { testCloudAgent } from '../../testing/cloudAgent.ts'
import { everyWay, type Names, noParts, procedures } from './everyWay.ts'
import { bearer, preparation, testFace } from './testFace.ts'

const face = await testFace()
const sockets = await testCloudAgent()
afterAll(async () => {
  await face[Symbol.asyncDispose]()
  await sockets[Symbol.asyncDispose]()
})
const headers = { ...bearer(face.operator.apiKey), 'x-internal-api-key': internalApiSecret }

/** A session to ask for; new for each procedure, since some of them end it. */
async function begun(): Promise<Names> {
  const { json } = await face.mutate('start', { ...preparation, kilocodeOrganizationId: face.organizationId }, headers)
  const { cloudAgentSessionId: sessionId, ...ack } = (json as { result: { data: Started } }).result.data
  return { ...noParts(), ...ack, sessionId, organizationId: face.organizationId }
}
type Started = Pick<Names, 'kiloSessionId' | 'executionId'> & { cloudAgentSessionId: Names['sessionId'] }

/** Every row of every table of Corral: what a refusal must leave as it was. */
async function rows(): Promise<unknown> {
  const { rows: tables } = await face.database.pool.query<{ name: string }>(
    "select relname as name from pg_stat_user_tables where schemaname = 'public' order by 1",
  )
  const counts = tables.map(
    ({ name }) =>
      `select '${name}' as name, count(*)::int, md5(string_agg(t::text, '|' order by t::text)) as content from "${name}" t`,
  )
  // Keys note when they were used.
  return (await face.database.pool.query(counts.filter((sql) => !/"apikey"/.test(sql)).join(' union all '))).rows
}

/** Mostly valid, with some members of anything: that gets further than nonsense alone. */
const mutated = (valid: unknown) =>
  fc.oneof(
    fc.jsonValue(),
    fc
      .dictionary(
        typeof valid === 'object' && valid !== null && Object.keys(valid).length > 0
          ? fc.oneof(fc.constantFrom(...Object.keys(valid)), fc.constantFrom(...members), fc.string())
          : fc.oneof(fc.constantFrom(...members), fc.string()),
        fc.oneof(fc.jsonValue(), fc.constantFrom(...nasty)),
        { maxKeys: 3 },
      )
      .map((changes) => ({ ...(typeof valid === 'object' ? valid : {}), ...changes })),
  )
const members = [
  'prompt',
  'envVars',
  'mcpServers',
  'callbackTarget',
  'encryptedSecrets',
  'gitUrl',
  'clientId',
  'cursor',
  'limit',
  'permissions',
]
const nasty = [
  '',
  '\0',
  '\ud800',
  'a'.repeat(3000),
  -1,
  1e308,
  2 ** 53,
  [],
  {},
  null,
  true,
  '../..',
  "';--",
  '%00',
  { __proto__: null },
  'https://[::1]/',
  '__proto__',
]

const streams = new Set(Object.keys(face.procedures).filter((name) => face.procedures[name]?.type === 'subscription'))
const isMutation = (name: string) => face.procedures[name]?.type === 'mutation'
const ways = everyWay(face, isMutation).map(({ name }) => name)

describe('anything at all', () => {
  test.each(ways.filter((name) => !streams.has(name) && !name.includes(' ')))(
    'as the input of %s is refused or done',
    { timeout: 60_000 },
    async (name) => {
      const names = await begun()
      const ask = isMutation(name) ? face.mutate : face.query
      await fc.assert(
        fc.asyncProperty(mutated(procedures[name]?.input?.(names)), async (input) => {
          const before = await rows()
          const answer = await ask(name, input, headers)
          expect(answer.status, answer.text).toSatisfy((status) => status < 500 || status === 501)
          if (answer.refusal) expect(await rows(), answer.text).toEqual(before)
        }),
        { numRuns: 12 },
      )
    },
  )

  test.each(face.routes.filter((name) => name.startsWith('POST /api/cloud-agent')))(
    'as the body of %s is refused or done',
    { timeout: 60_000 },
    async (name) => {
      const [method = '', path = ''] = name.split(' ')
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            mutated(preparation).map((input) => JSON.stringify(input)),
            fc.string(),
          ),
          async (body) => {
            const answer = await face.request(path, { method, headers, body })
            expect(answer.status, answer.text).toSatisfy((status) => status < 500 || status === 501)
          },
        ),
        { numRuns: 25 },
      )
    },
  )

  test('as the query of a stream is refused or opened', { timeout: 60_000 }, async () => {
    const session = await sockets.addSession()
    const name = fc.oneof(
      fc.constantFrom(
        'fromId',
        'eventTypes',
        'executionIds',
        'startTime',
        'endTime',
        'replay',
        'batch',
        'ticket',
        'cloudAgentSessionId',
      ),
      fc.string(),
    )
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom('0', '1', '-1', 'true', '2024-01-15T00:00:00Z', 'kilocode', '999999999999999', '1e3', '%00'),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 4 }), async (pairs) => {
        const search = new URLSearchParams([['cloudAgentSessionId', session], ...pairs])
        if (!search.has('ticket')) search.set('ticket', await sockets.ticket(session))
        const answer = await sockets.dial(String(search))
        if ('status' in answer)
          expect(answer.status, JSON.stringify(answer.body)).toSatisfy((status) => status >= 400 && status < 500)
        else answer.socket.terminate()
      }),
      { numRuns: 60 },
    )
  })

  test('that a viewer says closes its own socket alone', { timeout: 60_000 }, async () => {
    const session = await sockets.addSession()
    const quiet = await sockets.dial({ cloudAgentSessionId: session, ticket: await sockets.ticket(session) })
    if ('status' in quiet) throw new Error('refused')
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.uint8Array()), async (said) => {
        const loud = await sockets.dial({ cloudAgentSessionId: session, ticket: await sockets.ticket(session) })
        if ('status' in loud) throw new Error('refused')
        loud.socket.send(said)
        expect(await loud.closed).toBe(1008)
      }),
      { numRuns: 15 },
    )
    expect(quiet.socket.readyState).toBe(WebSocket.OPEN)
    quiet.socket.terminate()
  })
})
