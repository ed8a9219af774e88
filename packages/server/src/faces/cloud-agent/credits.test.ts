/** Budgets at admission: who is refused, with what, by which budget, and what passes all the same. */
import type { SessionId } from '@corral/protocol'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { internalApiSecret } from '../../identity/testIdentity.ts'
import { type Answer, bearer, expectRefusal, preparation, testFace } from './testFace.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const { operator, organizationId, database } = face
const user = bearer(operator.apiKey)
const backEnd = { ...user, 'x-internal-api-key': internalApiSecret }
const dataOf = (answer: Answer) => (answer.json as { result: { data: Record<string, unknown> } }).result.data

beforeEach(async () => {
  await database.pool.query('delete from budget')
})

async function budget(scope: string, id: string, limitUsd: number | null, spentUsd = 0): Promise<void> {
  const answer = await face.mutate('setBudget', { scope, id, limitUsd }, user)
  expect(answer.status, answer.text).toBe(200)
  await database.pool.query('update budget set spent_usd = $3 where scope = $1 and scope_id = $2', [
    scope,
    id,
    spentUsd,
  ])
}

async function sessions(): Promise<number> {
  return (await database.pool.query('select id from session')).rows.length
}
async function executions(): Promise<number> {
  return (await database.pool.query('select id from execution')).rows.length
}

async function prepared(more: object = {}): Promise<SessionId> {
  const answer = await face.mutate('prepareSession', { ...preparation, ...more }, backEnd)
  return dataOf(answer).cloudAgentSessionId as SessionId
}
async function initiated(more: object = {}): Promise<SessionId> {
  const id = await prepared(more)
  expect((await initiate(id)).status).toBe(200)
  return id
}
const initiate = (cloudAgentSessionId: SessionId, headers = user) =>
  face.mutate('initiateFromPreparedSession', { cloudAgentSessionId }, headers)
const send = (cloudAgentSessionId: SessionId, more: object = {}, headers: Record<string, string> = user) =>
  face.mutate('sendMessage', { cloudAgentSessionId, prompt: 'Go on', ...more }, headers)

function expectPoor(answer: Answer, scope: string, remainingUsd: number): void {
  expectRefusal(answer, 'insufficient_credits')
  expect(answer.refusal?.details).toEqual({ scope, remainingUsd, minimumUsd: 1 })
}

describe('with less than the minimum left', () => {
  test('nothing is prepared or started, and nothing is written', async () => {
    const before = await sessions()
    await budget('user', operator.userId, 10, 9.5)
    expectPoor(await face.mutate('prepareSession', preparation, backEnd), 'user', 0.5)
    expectPoor(await face.mutate('start', preparation, user), 'user', 0.5)
    expectPoor(await face.request('/api/cloud-agent/sessions/prepare', rest(preparation)), 'user', 0.5)
    expect(await sessions()).toBe(before)
  })

  test('what was prepared before is not initiated, by any name', async () => {
    const id = await prepared()
    const before = await executions()
    await budget('session', id, 10, 12)
    expectPoor(await initiate(id), 'session', -2)
    const other = await face.mutate('initiateFromKilocodeSessionV2', { cloudAgentSessionId: id }, user)
    expectPoor(other, 'session', -2)
    expect(await executions()).toBe(before)
  })

  test('no follow-up is taken, by either name', async () => {
    const id = await initiated()
    const before = await executions()
    await budget('session', id, 0)
    expectPoor(await send(id), 'session', 0)
    expectPoor(await face.mutate('sendMessageV2', { cloudAgentSessionId: id, prompt: 'p' }, user), 'session', 0)
    expect(await executions()).toBe(before)
  })

  test('no stream of a deprecated name is opened: the answer is the HTTP status, before any frame', async () => {
    const [toInitiate, toFollow] = [await prepared(), await initiated()]
    const before = [await sessions(), await executions()]
    await budget('user', operator.userId, 10, 9.5)
    const async = { ...preparation, callbackUrl: 'https://example.com/' }
    expectPoor(await face.query('initiateSessionStream', preparation, user), 'user', 0.5)
    expectPoor(await face.query('initiateSessionAsync', async, user), 'user', 0.5)
    expectPoor(await face.query('sendMessageStream', { sessionId: toFollow, prompt: 'p' }, user), 'user', 0.5)
    const initiation = { cloudAgentSessionId: toInitiate }
    expectPoor(await face.query('initiateFromKilocodeSession', initiation, user), 'user', 0.5)
    expect([await sessions(), await executions()]).toEqual(before)
  })

  test('what was taken before is answered as before', async () => {
    const id = await initiated()
    const taken = await send(id, { clientId: 'once' })
    await budget('session', id, 0)
    expect(dataOf(await send(id, { clientId: 'once' }))).toEqual(dataOf(taken))
    expect((await initiate(id)).status).toBe(200)
  })

  test('everything else goes on: reading, stopping, deleting', async () => {
    const id = await initiated()
    await budget('session', id, 0)
    expect((await face.query('getSession', { cloudAgentSessionId: id }, user)).status).toBe(200)
    expect((await face.mutate('interruptSession', { cloudAgentSessionId: id }, user)).status).toBe(200)
    expect((await face.mutate('deleteSession', { cloudAgentSessionId: id }, user)).status).toBe(200)
  })
})

describe('which budget counts', () => {
  test('none set is no check', async () => {
    expect((await send(await initiated())).status).toBe(200)
  })

  test('exactly the minimum is enough', async () => {
    const id = await initiated()
    await budget('session', id, 5, 4)
    expect((await send(id)).status).toBe(200)
  })

  test('the tightest of session, user and organization', async () => {
    const id = await initiated({ kilocodeOrganizationId: organizationId })
    await budget('session', id, 100)
    await budget('user', operator.userId, 10)
    await budget('organization', organizationId, 0.25)
    expectPoor(await send(id), 'organization', 0.25)
    await budget('organization', organizationId, null)
    expect((await send(id)).status).toBe(200)
  })

  test("the session's organization, whatever else its owner belongs to", async () => {
    const personal = await initiated()
    const shared = await initiated({ kilocodeOrganizationId: organizationId })
    await budget('organization', organizationId, 0)
    expectPoor(await send(shared), 'organization', 0)
    expect((await send(personal)).status).toBe(200)
  })

  test("nobody else's", async () => {
    const other = await face.newUser()
    await budget('user', other.userId, 0)
    await budget('session', await initiated(), 0)
    expect((await send(await initiated())).status).toBe(200)
  })

  test('a model without a price is not for a session with a budget', async () => {
    const id = await initiated()
    expect((await send(id, { model: 'scripted/unpriced' })).status).toBe(200)
    await budget('session', id, 10)
    const refused = await send(id, { model: 'scripted/unpriced' })
    expectRefusal(refused, 'invalid_input')
    expect(refused.refusal?.details).toMatchObject([{ path: 'model' }])
  })
})

describe('x-skip-balance-check', () => {
  test('passes with the internal key', async () => {
    const id = await initiated()
    await budget('session', id, 0)
    expect((await send(id, {}, { ...backEnd, 'x-skip-balance-check': 'true' })).status).toBe(200)
    expectPoor(await send(id, {}, { ...backEnd, 'x-skip-balance-check': 'false' }), 'session', 0)
  })

  test('is refused without it, with and without a budget', async () => {
    const id = await initiated()
    expectRefusal(await send(id, {}, { ...user, 'x-skip-balance-check': 'true' }), 'balance_bypass_refused')
    await budget('session', id, 0)
    expectRefusal(await send(id, {}, { ...user, 'x-skip-balance-check': 'true' }), 'balance_bypass_refused')
  })
})

test('when the figures cannot be read, nothing passes for nothing', async () => {
  const id = await initiated()
  const before = await executions()
  await database.pool.query('alter table budget rename to hidden')
  try {
    expectRefusal(await send(id), 'unavailable')
    expectRefusal(await face.mutate('start', preparation, user), 'unavailable')
  } finally {
    await database.pool.query('alter table hidden rename to budget')
  }
  expect(await executions()).toBe(before)
})

describe('setting a budget', () => {
  test('gives what was given once more, and is told back', async () => {
    await budget('user', operator.userId, 10, 9)
    const set = await face.mutate('setBudget', { scope: 'user', id: operator.userId, limitUsd: 10 }, user)
    const expected = { scope: 'user', id: operator.userId, limitUsd: 10, spentUsd: 0, remainingUsd: 10 }
    expect(dataOf(set).budget).toMatchObject(expected)
    expect(dataOf(await face.query('listBudgets', {}, user)).budgets).toMatchObject([expected])
  })

  test('is for operators alone, for something that is there', async () => {
    const somebody = bearer((await face.newUser()).apiKey)
    const input = { scope: 'user', id: operator.userId, limitUsd: 10 }
    expectRefusal(await face.mutate('setBudget', input, somebody), 'operator_required')
    expectRefusal(await face.query('listBudgets', {}, somebody), 'operator_required')
    expectRefusal(await face.mutate('setBudget', { ...input, id: 'nobody' }, user), 'user_not_found')
    const absent = { scope: 'session', id: 'agent_01234567-89ab-4cde-8f01-23456789abcd', limitUsd: 1 }
    expectRefusal(await face.mutate('setBudget', absent, user), 'session_not_found')
    expectRefusal(await face.mutate('setBudget', { ...input, limitUsd: -1 }, user), 'invalid_input')
    expect(dataOf(await face.query('listBudgets', {}, user)).budgets).toEqual([])
  })
})

const rest = (body: object): RequestInit => ({ method: 'POST', headers: user, body: JSON.stringify(body) })
