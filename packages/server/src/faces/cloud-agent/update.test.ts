/** `updateSession` and `prepareLegacySession`: what a session is prepared with, read back from its rows. */
import { randomUUID } from 'node:crypto'
import { newAgentSessionId, newSessionId, type SessionId, type SessionPatch } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { afterAll, describe, expect, test } from 'vitest'
import { execution, session, workspace } from '../../database/schema.ts'
import { internalApiSecret } from '../../identity/testIdentity.ts'
import { type Answer, bearer, expectRefusal, preparation, testFace } from './testFace.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const { operator, database } = face
const internal = { ...bearer(operator.apiKey), 'x-internal-api-key': internalApiSecret }
const call = (name: string, input: unknown) => face.mutate(name, input, internal)

type Pair = { cloudAgentSessionId: SessionId; kiloSessionId: string }
const dataOf = (answer: Answer) => (answer.json as { result: { data: unknown } }).result.data
async function prepared(more: object = {}): Promise<Pair> {
  return dataOf(await call('prepareSession', { ...preparation, ...more })) as Pair
}

/** Everything that is stored of a session's configuration. */
async function stored(id: SessionId) {
  const [row] = await database.orm.select().from(session).where(eq(session.id, id))
  const [space] = await database.orm.select().from(workspace).where(eq(workspace.sessionId, id))
  const secret = await face.sealed.open(database.orm, id)
  return { ...row?.configuration, ...secret, version: row?.configVersion, edition: space?.edition }
}

async function update(id: SessionId, patch: SessionPatch & { expectedVersion?: number }) {
  return call('updateSession', { cloudAgentSessionId: id, ...patch })
}

const callbackTarget = { type: 'http' as const, url: 'https://example.com/done' }
const full = {
  mode: 'architect',
  model: 'scripted/other',
  variant: 'high',
  githubToken: 'ghs_one',
  gitToken: 'glpat-one',
  upstreamBranch: 'develop',
  autoCommit: true,
  condenseOnComplete: true,
  appendSystemPrompt: 'Be brief.',
  callbackTarget,
  envVars: { A: '1', B: '2' },
  setupCommands: ['true'],
}
const other = {
  mode: 'ask',
  model: 'scripted/third',
  variant: 'low',
  githubToken: 'ghs_two',
  gitToken: 'glpat-two',
  upstreamBranch: 'main',
  autoCommit: false,
  condenseOnComplete: false,
  appendSystemPrompt: 'Be thorough.',
  callbackTarget: { ...callbackTarget, headers: { Authorization: 'Bearer 1' } },
  envVars: { C: '3' },
  setupCommands: ['false', 'date'],
}
const cleared = {
  mode: 'code',
  model: 'scripted/demo',
  variant: undefined,
  githubToken: undefined,
  gitToken: undefined,
  upstreamBranch: undefined,
  autoCommit: false,
  condenseOnComplete: false,
  appendSystemPrompt: undefined,
  callbackTarget: undefined,
}
const emptied = { envVars: {}, setupCommands: [] }
type Member = keyof typeof full
const members = Object.keys(full) as Member[]

describe('a patch', () => {
  test.each(members)('of %s replaces it, and leaves the others as they were', async (member) => {
    const { cloudAgentSessionId: id } = await prepared(full)
    const answer = await update(id, { [member]: other[member] })
    expect(dataOf(answer)).toEqual({ success: true, version: 2 })
    expect(await stored(id)).toMatchObject({ ...full, [member]: other[member], version: 2 })
  })

  test.each(Object.keys(cleared) as (keyof typeof cleared)[])('null clears %s to its default', async (member) => {
    const { cloudAgentSessionId: id } = await prepared(full)
    await update(id, { [member]: null })
    const now = await stored(id)
    expect(now[member as keyof typeof now]).toEqual(cleared[member])
  })

  test.each(Object.keys(emptied) as (keyof typeof emptied)[])('%s is emptied, and null refused', async (member) => {
    const { cloudAgentSessionId: id } = await prepared(full)
    const refused = await call('updateSession', { cloudAgentSessionId: id, [member]: null })
    expectRefusal(refused, 'invalid_input')
    expect(refused.refusal?.details).toMatchObject([{ path: member }])
    expect(await stored(id)).toMatchObject({ ...full, version: 1 })
    await update(id, { [member]: emptied[member] })
    expect((await stored(id))[member]).toEqual(emptied[member])
  })

  test('replaces a collection whole, without merging', async () => {
    const { cloudAgentSessionId: id } = await prepared(full)
    await update(id, { envVars: { B: 'two' } })
    expect((await stored(id)).envVars).toEqual({ B: 'two' })
    const [view] = [dataOf(await face.query('getSession', { sessionId: id }, bearer(operator.apiKey)))]
    expect(view).toMatchObject({ envVarCount: 1, setupCommandCount: 1, version: 2 })
  })

  test('of nothing changes nothing but the version', async () => {
    const { cloudAgentSessionId: id } = await prepared(full)
    expect(dataOf(await update(id, {}))).toEqual({ success: true, version: 2 })
    expect(await stored(id)).toMatchObject({ ...full, edition: 1 })
  })

  test('of what the workspace is made with makes that stale; of the rest does not', async () => {
    const { cloudAgentSessionId: id } = await prepared(full)
    await update(id, { mode: 'ask', autoCommit: null, callbackTarget: null })
    expect(await stored(id)).toMatchObject({ edition: 1 })
    await database.orm.update(workspace).set({ state: 'ready' }).where(eq(workspace.sessionId, id))
    await update(id, { setupCommands: ['true', 'true'] })
    expect(await stored(id)).toMatchObject({ edition: 2 })
    const [space] = await database.orm.select().from(workspace).where(eq(workspace.sessionId, id))
    expect(space?.state).toBe('absent')
  })

  test('whose members do not go together changes nothing', async () => {
    const { cloudAgentSessionId: id } = await prepared({ ...preparation })
    const refused = await update(id, { mode: 'custom', envVars: { A: '1' } })
    expectRefusal(refused, 'invalid_input')
    expect(refused.refusal?.details).toEqual([{ path: 'appendSystemPrompt', message: 'is required with mode custom' }])
    expect(await stored(id)).toMatchObject({ mode: 'code', envVars: {}, version: 1 })
    await update(id, { mode: 'custom', appendSystemPrompt: 'You review.' })
    expectRefusal(await update(id, { appendSystemPrompt: null }), 'invalid_input')
  })

  test('holds against an expected version', async () => {
    const { cloudAgentSessionId: id } = await prepared()
    expect(dataOf(await update(id, { mode: 'ask', expectedVersion: 1 }))).toEqual({ success: true, version: 2 })
    const refused = await update(id, { mode: 'plan', expectedVersion: 1 })
    expectRefusal(refused, 'version_conflict')
    expect(await stored(id)).toMatchObject({ mode: 'ask', version: 2 })
  })

  test('of one version is made once, however many ask at once', async () => {
    const { cloudAgentSessionId: id } = await prepared()
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => update(id, { envVars: { I: `${i}` }, expectedVersion: 1 })),
    )
    expect(answers.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([200, ...Array(9).fill(409)])
    expect(await stored(id)).toMatchObject({ version: 2 })
  })

  test('is refused once the session is initiated, but for where outcomes are sent', async () => {
    const { cloudAgentSessionId: id } = await prepared()
    await face.mutate('initiateFromPreparedSession', { sessionId: id }, internal)
    expect((await update(id, { callbackTarget })).status).toBe(200)
    for (const patch of [{ mode: 'ask' }, { envVars: {} }, {}, { mode: null, callbackTarget: null }]) {
      expectRefusal(await update(id, patch), 'already_initiated')
    }
    expect(await stored(id)).toMatchObject({ callbackTarget, version: 2 })
  })

  test.each(['http://127.0.0.1/x', 'https://169.254.169.254/latest', 'https://[::1]/'])(
    'to the callback target %s is refused by the outbound policy',
    async (url) => {
      const { cloudAgentSessionId: id } = await prepared()
      const refused = await update(id, { callbackTarget: { ...callbackTarget, url } })
      expectRefusal(refused, 'target_refused')
      expect(await stored(id)).toMatchObject({ version: 1, hasCallback: false })
    },
  )
})

describe('tokens', () => {
  test('that come with initiation or a message take the place of those before', async () => {
    const { cloudAgentSessionId: id } = await prepared({ githubToken: 'ghs_one', envVars: { A: '1' } })
    await face.mutate('initiateFromPreparedSession', { sessionId: id, githubToken: 'ghs_two' }, internal)
    expect(await stored(id)).toMatchObject({ githubToken: 'ghs_two', envVars: { A: '1' } })
    await face.mutate('sendMessage', { sessionId: id, prompt: 'On', gitToken: 'glpat-1' }, internal)
    expect(await stored(id)).toMatchObject({ githubToken: 'ghs_two', gitToken: 'glpat-1' })
    const view = JSON.stringify(dataOf(await face.query('getSession', { sessionId: id }, internal)))
    expect(view).not.toMatch(/ghs_|glpat/)
  })
})

describe('a session that exists elsewhere', () => {
  const ids = () => ({ cloudAgentSessionId: newSessionId(), kiloSessionId: newAgentSessionId() as string })
  const link = (pair: object, more: object = {}) => call('prepareLegacySession', { ...preparation, ...more, ...pair })

  test('is prepared under its own ids, and initiated like any other', async () => {
    const pair = ids()
    expect(dataOf(await link(pair))).toEqual(pair)
    const ack = dataOf(
      await face.mutate('initiateFromKilocodeSessionV2', { sessionId: pair.cloudAgentSessionId }, internal),
    )
    expect(ack).toMatchObject({ ...pair, status: 'queued' })
  })

  test('may be called by a bare UUID', async () => {
    const uuid = randomUUID()
    const pair = { ...ids(), kiloSessionId: uuid }
    expect(dataOf(await link(pair))).toEqual(pair)
    expect(dataOf(await link(pair))).toEqual({ ...pair, replayed: true })
    const view = dataOf(await face.query('getSession', { sessionId: pair.cloudAgentSessionId }, internal))
    expect(view).toMatchObject({ kiloSessionId: `ses_${uuid.replaceAll('-', '')}` })
  })

  test('again: the same pair for the same content, once even at once; else already_initiated', async () => {
    const pair = ids()
    const answers = await Promise.all(Array.from({ length: 10 }, () => link(pair)))
    expect(answers.filter((answer) => !('replayed' in (dataOf(answer) as object)))).toHaveLength(1)
    expectRefusal(await link(pair, { mode: 'ask' }), 'already_initiated')
    expect(await stored(pair.cloudAgentSessionId)).toMatchObject({ mode: 'code', version: 1 })
  })

  test('linked otherwise is none', async () => {
    const pair = ids()
    await link(pair)
    expectRefusal(await link({ ...pair, kiloSessionId: newAgentSessionId() }), 'session_not_found')
    expectRefusal(await link({ ...pair, cloudAgentSessionId: newSessionId() }), 'session_not_found')
    const stranger = await face.newUser()
    const theirs = { ...bearer(stranger.apiKey), 'x-internal-api-key': internalApiSecret }
    const refused = await face.mutate('prepareLegacySession', { ...preparation, ...pair }, theirs)
    expectRefusal(refused, 'session_not_found')
  })

  test('is refused without either id', async () => {
    const { cloudAgentSessionId, kiloSessionId } = ids()
    expectRefusal(await link({ cloudAgentSessionId }), 'invalid_input')
    expectRefusal(await link({ kiloSessionId }), 'invalid_input')
    expectRefusal(await link({ cloudAgentSessionId, kiloSessionId: 'mine' }), 'invalid_input')
  })
})

test('an attachment that was never uploaded is refused, and nothing is written', async () => {
  const sessions = async () => (await database.orm.select().from(session)).length
  const before = [await sessions(), (await database.orm.select().from(execution)).length]
  const refused = await call('prepareSession', {
    ...preparation,
    attachments: [{ sha256: 'a'.repeat(64), filename: 'x.png' }],
  })
  expectRefusal(refused, 'invalid_input')
  expect(refused.refusal?.details).toMatchObject([{ path: 'attachments.0.sha256' }])
  expect([await sessions(), (await database.orm.select().from(execution)).length]).toEqual(before)
  expect((await call('prepareSession', { ...preparation, attachments: [] })).status).toBe(200)
})

test('a sandbox is one session’s, or its owner’s: of the user, in the organization, with the bot', async () => {
  const nameOf = async (more: object) => {
    const { cloudAgentSessionId } = await prepared(more)
    const view = dataOf(await face.query('getSession', { cloudAgentSessionId }, internal))
    return { session: cloudAgentSessionId, name: (view as { sandboxId: string }).sandboxId }
  }
  const { userId } = operator
  const own = await nameOf({})
  expect(own.name).toBe(`user:${userId}__${userId}__ses:${own.session}`)
  expect((await nameOf({ isolation: 'session' })).name).toContain('__ses:')
  expect((await nameOf({ isolation: 'shared' })).name).toBe(`user:${userId}__${userId}`)
  expect((await nameOf({ isolation: 'shared', botId: 'reviewer' })).name).toBe(
    `user:${userId}__${userId}__bot:reviewer`,
  )
})

test('only our own back ends name the branch and the bot', async () => {
  for (const more of [{ botId: 'reviewer' }, { sessionBranch: 'work/1' }]) {
    const refused = await face.mutate('start', { ...preparation, ...more }, bearer(operator.apiKey))
    expectRefusal(refused, 'invalid_input')
    expect(refused.refusal?.details).toEqual([{ path: Object.keys(more)[0], message: 'needs the internal key' }])
  }
  const { cloudAgentSessionId } = await prepared({ botId: 'reviewer' })
  const view = dataOf(await face.query('getSession', { cloudAgentSessionId }, internal))
  expect(view).toMatchObject({ sandboxId: expect.stringContaining('__bot:reviewer') })
})
