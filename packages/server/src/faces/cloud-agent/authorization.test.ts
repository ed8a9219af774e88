/**
 * Every way into the server, and everybody who may not take it: the right answer to each, and for what is not one's own
 * exactly the answer of what does not exist: the same bytes, by the same SQL in the same order.
 */
import { newAgentSessionId, newSessionId, type Scope, scopes } from '@corral/protocol'
import { createTRPCClient, httpLink } from '@trpc/client'
import { afterAll, describe, expect, test } from 'vitest'
import { ask } from '../../database/askTables.ts'
import { callback } from '../../database/callbackTables.ts'
import { storedScopes } from '../../identity/scopes.ts'
import { internalApiSecret, signedToken } from '../../identity/testIdentity.ts'
import { statementsOf } from '../../testing/statements.ts'
import { deprecatedNames } from './deprecatedNames.ts'
import { everyWay, type Names, noParts, procedures, routes, type Way } from './everyWay.ts'
import type { AppRouter } from './router.ts'
import { bearer, expectRefusal, preparation, testFace } from './testFace.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const { auth, database, organizationId } = face
const { pool } = database

/** Who has what the others want. */
const owner = face.operator
const stranger = await face.newUser()
const colleague = await face.newUser()
const former = await face.newUser()
for (const { userId } of [colleague, former]) {
  await auth.api.addMember({ body: { userId, organizationId, role: 'member' } })
}
const elsewhere = await auth.api.createOrganization({
  body: { name: 'Elsewhere', slug: 'elsewhere', userId: stranger.userId },
})

const clientOf = (key: string) =>
  createTRPCClient<AppRouter>({ links: [httpLink({ url: `${face.url}/trpc`, headers: bearer(key) })] })
type Ack = Awaited<ReturnType<ReturnType<typeof clientOf>['start']['mutate']>>
const namesOf = (ack: Ack): Names => ({
  ...noParts(),
  sessionId: ack.cloudAgentSessionId,
  kiloSessionId: ack.kiloSessionId,
  executionId: ack.executionId,
  organizationId,
})
const inOrganization = { ...preparation, kilocodeOrganizationId: organizationId }
const personal = namesOf(await clientOf(owner.apiKey).start.mutate(preparation))
const shared = namesOf(await clientOf(owner.apiKey).start.mutate(inOrganization))
const formerly = namesOf(await clientOf(former.apiKey).start.mutate(inOrganization))
const ofStranger = namesOf(await clientOf(stranger.apiKey).start.mutate(preparation))
await pool.query('delete from member where user_id = $1', [former.userId])

/** What lies in the owner's session, beside its execution. */
const { sessionId, executionId } = personal
const asked = { sessionId, executionId, agentSessionId: personal.kiloSessionId, request: {}, deadlineMs: 60_000 }
await database.orm.insert(ask).values([
  { ...asked, id: personal.questionId, kind: 'question' },
  { ...asked, id: personal.permissionId, kind: 'permission' },
])
await database.orm.insert(callback).values({
  id: personal.deliveryId,
  sessionId,
  executionId,
  owner: `user:${owner.userId}`,
  target: Buffer.from('sealed'),
  attemptsLeft: 5,
})

const never: Names = {
  sessionId: newSessionId(),
  kiloSessionId: newAgentSessionId(),
  ...noParts(),
  organizationId: 'never',
}

/** Beside the bearer, for everybody, so that what is compared is not the missing internal key. */
const internal = { 'x-internal-api-key': internalApiSecret }
const as = (key: string) => ({ ...bearer(key), ...internal })

async function keyWith(userId: string, some: readonly Scope[]): Promise<string> {
  const { id, key } = await auth.api.createApiKey({ body: { userId } })
  await pool.query('update apikey set permissions = $2 where id = $1', [id, storedScopes(some)])
  return key
}

const isMutation = (name: string) => face.procedures[name]?.type === 'mutation'
const ways = everyWay(face, isMutation)
const guarded = ways.filter(({ demands }) => demands !== 'nothing' && demands !== 'secret')
const aboutSessions = ways.filter((way): way is Way & { about: 'session' } => way.about === 'session')
const aboutOrganizations = ways.filter((way) => way.about === 'organization')
const scopeOf = ({ demands }: { demands: Way['demands'] }): Scope =>
  demands === 'internal' || demands === 'nothing' || demands === 'secret' ? 'sessions:write' : demands

describe('the table', () => {
  const hint = 'add it to faces/cloud-agent/everyWay.ts, with what it demands and what it is about'

  test.each(Object.keys(face.procedures))('knows the procedure %s, and what it demands', (name) => {
    const row = procedures[name]
    if (!row) throw new Error(`${name} is in the router and not in the table: ${hint}`)
    const { demand } = face.procedures[name] ?? {}
    expect(demand?.internal ? 'internal' : (demand?.scope ?? 'nothing')).toBe(row.demands)
  })

  test.each(face.routes)('knows the route %s', (name) => {
    if (!routes[name]) throw new Error(`${name} is a route of the face and not in the table: ${hint}`)
  })

  test('knows nothing that is not there', () => {
    expect(Object.keys(procedures).filter((name) => !(name in face.procedures))).toEqual([])
    expect(Object.keys(routes).filter((name) => !face.routes.includes(name))).toEqual([])
  })

  test('has nothing open but what anybody may know', () => {
    expect(ways.filter(({ demands }) => demands === 'nothing').map(({ name }) => name)).toEqual([
      'health',
      'GET /health',
      'GET /openapi.json',
      'GET /docs/api',
    ])
  })
})

describe('without a good bearer', async () => {
  const gone = await keyWith(owner.userId, scopes)
  await pool.query('delete from apikey where id = (select id from apikey order by created_at desc limit 1)')
  const bad: [what: string, headers: Record<string, string>][] = [
    ['no token', {}],
    ['the internal key alone', internal],
    ['no such key', as('corral_nobody')],
    ['a key that was revoked', as(gone)],
    ['a token that has ended', as(await signedToken(owner.userId, { expiresAt: '1 s ago' }))],
    ['a token that another secret signed', as(await signedToken(owner.userId, { secret: 'x'.repeat(40) }))],
    ['a token of a user who is gone', as(await signedToken('gone'))],
    ['another scheme', { ...internal, authorization: `Basic ${owner.apiKey}` }],
  ]

  test.each(guarded)('$name answers 401 to $demands, whatever its input and whosever the session', async (way) => {
    for (const [, headers] of bad) {
      const answer = await way.nonsense(headers)
      expectRefusal(answer, 'unauthorized')
      for (const names of [personal, never]) expect(await way.call(headers, names)).toEqual(answer)
    }
  })
})

const opensStream = new Set<string>(['POST /api/cloud-agent/sessions/prepare', ...deprecatedNames])

describe('with a key of the wrong scopes', async () => {
  const lacking = new Map<Scope, string>()
  const having = new Map<Scope, string>()
  for (const scope of scopes) {
    lacking.set(
      scope,
      await keyWith(
        owner.userId,
        scopes.filter((other) => other !== scope),
      ),
    )
    having.set(scope, await keyWith(owner.userId, [scope]))
  }
  const keyOf = (keys: Map<Scope, string>, way: Way | (typeof guarded)[number]) => as(keys.get(scopeOf(way)) ?? '')

  test.each(guarded)('$name answers 403, for one’s own session as for none', async (way) => {
    const answer = await way.nonsense(keyOf(lacking, way))
    expectRefusal(answer, 'insufficient_scope')
    for (const names of [personal, shared, never]) expect(await way.call(keyOf(lacking, way), names)).toEqual(answer)
  })

  test.each(guarded)('$name is content with the scope that it demands', async (way) => {
    const answer = await way.nonsense(keyOf(having, way))
    // These demand two, since what they answer is, or opens, a stream.
    if (opensStream.has(way.name)) return expectRefusal(answer, 'insufficient_scope')
    expect(answer.refusal?.reason, answer.text).not.toMatch(/unauthorized|insufficient_scope|internal_key_required/)
  })
})

describe('without the secret of our back ends', () => {
  const wrong: Record<string, string>[] = [{}, { 'x-internal-api-key': 'wrong' }, { 'x-internal-api-key': '' }]

  test.each(guarded)('$name, which demands $demands, answers rightly', async (way) => {
    for (const secret of wrong) {
      const answer = await way.nonsense({ ...bearer(owner.apiKey), ...secret })
      if (way.demands === 'internal') {
        expectRefusal(answer, 'internal_key_required')
        expect(await way.call({ ...bearer(owner.apiKey), ...secret }, never)).toEqual(answer)
      } else expect(answer.refusal?.reason, answer.text).not.toBe('internal_key_required')
    }
  })
})

const others: [who: string, key: string, whose: Names][] = [
  ['another user', stranger.apiKey, personal],
  ['a user of another organization', stranger.apiKey, shared],
  ['a member of the same organization', colleague.apiKey, shared],
  ['a member of the same organization, for what is personal', colleague.apiKey, personal],
  ['its own user, whose membership has ended', former.apiKey, formerly],
]

describe.each(others)('a session, asked for by %s', (_, key, whose) => {
  test.each(aboutSessions)('$name answers as if it had never existed', async ({ call, absent }) => {
    const none = await statementsOf(() => call(as(key), never))
    const refused = await statementsOf(() => call(as(key), whose))
    if (absent === 'success') expect(none.result.status).toBe(200)
    else expectRefusal(none.result, absent)
    expect(refused.result).toEqual(none.result)
    expect(refused.statements).toEqual(none.statements)
    expect(none.statements.length).toBeGreaterThan(1)
  })
})

describe('what lies in another session', () => {
  test.each(aboutSessions.filter((way) => way.within))('$name answers as if it had never existed', async (way) => {
    const own = { sessionId: ofStranger.sessionId, kiloSessionId: ofStranger.kiloSessionId }
    const ask = (parts: Names) => statementsOf(() => way.call(as(stranger.apiKey), { ...parts, ...own }))
    const none = await ask(never)
    if (way.within) expectRefusal(none.result, way.within)
    expect(await ask(personal)).toEqual(none)
  })
})

describe.each([
  ['another user', stranger.apiKey],
  ['a member whose membership has ended', former.apiKey],
])('an organization, asked for by %s', (_, key) => {
  test.each(aboutOrganizations)('$name answers as if it had never existed', async ({ call, ...way }) => {
    const none = await statementsOf(() => call(as(key), never))
    if (way.about === 'organization') expectRefusal(none.result, way.absent)
    expect(await statementsOf(() => call(as(key), { ...never, organizationId }))).toEqual(none)
  })
})

test('nothing of all this has changed what is theirs', async () => {
  for (const { sessionId } of [personal, shared]) {
    const { queuedCount } = await clientOf(owner.apiKey).getSession.query({ sessionId })
    expect(queuedCount).toBe(1)
  }
  expect(elsewhere?.id).not.toBe(organizationId)
})
