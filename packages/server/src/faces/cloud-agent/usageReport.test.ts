import { randomUUID } from 'node:crypto'
import type { SessionCosts, SessionId, UsageReport } from '@corral/protocol'
import { sql } from 'drizzle-orm'
import { afterAll, describe, expect, test } from 'vitest'
import { modelCall } from '../../database/gatewayTables.ts'
import { reportQuery } from '../../sessions/reads/usageReport.ts'
import { type Answer, bearer, expectRefusal, preparation, testFace } from './testFace.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const { database, operator, organizationId, auth } = face
const colleague = await face.newUser()
await auth.api.addMember({ body: { userId: colleague.userId, organizationId, role: 'member' } })

const dataOf = <T>(answer: Answer): T => {
  expect(answer.status, answer.text).toBe(200)
  return (answer.json as { result: { data: T } }).result.data
}
const start = async (user: typeof operator, more: object = {}) =>
  dataOf<{ cloudAgentSessionId: SessionId }>(
    await face.mutate('start', { ...preparation, ...more }, bearer(user.apiKey)),
  ).cloudAgentSessionId
const report = (input: object, user = operator) =>
  face.query('getUsageReport', { from: '2026-03-01', to: '2026-03-31', ...input }, bearer(user.apiKey))
const costs = async (sessionIds: SessionId[], user = operator) =>
  dataOf<SessionCosts>(await face.query('listSessionCosts', { sessionIds }, bearer(user.apiKey))).costs

const ofMine = await start(operator)
const ofOurs = await start(operator, { kilocodeOrganizationId: organizationId })
const ofTheirs = await start(colleague, { kilocodeOrganizationId: organizationId })

async function call(sessionId: SessionId, at: string, costUsd: number | null, more: object = {}): Promise<void> {
  const isTheirs = sessionId === ofTheirs
  await database.orm.insert(modelCall).values({
    id: randomUUID(),
    sessionId,
    userId: (isTheirs ? colleague : operator).userId,
    organizationId: sessionId === ofMine ? null : organizationId,
    ...{ upstream: 'openai', model: 'small', status: 200, promptTokens: 100, completionTokens: 10, cachedTokens: 50 },
    ...{ startedAt: new Date(at), endedAt: new Date(at), costUsd },
    ...more,
  })
}
await call(ofMine, '2026-03-01T00:00:00Z', 1)
await call(ofMine, '2026-03-01T23:59:59.999Z', 2)
await call(ofOurs, '2026-03-31T23:59:59.999Z', 4, { model: 'large' })
await call(ofTheirs, '2026-03-02T12:00:00Z', 8)
await call(ofOurs, '2026-03-02T12:00:00Z', null)
// Outside the range by a millisecond.
await call(ofMine, '2026-02-28T23:59:59.999Z', 16)
await call(ofMine, '2026-04-01T00:00:00Z', 32)

describe('a report of usage', () => {
  test("has one's own calls of whole days in UTC, summed by day, model, user and session", async () => {
    const own = dataOf<UsageReport>(await report({}))
    expect(own.total).toEqual({
      ...{ calls: 4, promptTokens: 400, cachedTokens: 200, completionTokens: 40, costUsd: 7 },
      ...{ unreportedCalls: 0, unpricedCalls: 1 },
    })
    expect(own.days.map(({ day, costUsd, calls }) => [day, costUsd, calls])).toEqual([
      ['2026-03-01', 3, 2],
      ['2026-03-02', 0, 1],
      ['2026-03-31', 4, 1],
    ])
    expect(own.models.map(({ model, costUsd }) => [model, costUsd])).toEqual([
      ['openai/large', 4],
      ['openai/small', 3],
    ])
    expect(own.users).toMatchObject([{ userId: operator.userId, costUsd: 7 }])
    expect(own.sessions.map(({ cloudAgentSessionId, costUsd }) => [cloudAgentSessionId, costUsd])).toEqual([
      [ofOurs, 4],
      [ofMine, 3],
    ])
    expect(own.sessions.every(({ title }) => typeof title === 'string')).toBe(true)
  })

  test('of an organization has everybody in it, and of the sessions the caller’s own', async () => {
    const ours = dataOf<UsageReport>(await report({ kilocodeOrganizationId: organizationId }))
    expect(ours.total.costUsd).toBe(12)
    expect(ours.users.map(({ userId, costUsd }) => [userId, costUsd])).toEqual([
      [colleague.userId, 8],
      [operator.userId, 4],
    ])
    expect(ours.users.every(({ name }) => name)).toBe(true)
    expect(ours.sessions.map(({ cloudAgentSessionId }) => cloudAgentSessionId)).toEqual([ofOurs])
  })

  test('of an organization is for its owners and admins; who is not in it learns nothing of it', async () => {
    const input = { kilocodeOrganizationId: organizationId }
    expectRefusal(await report(input, colleague), 'role_required')
    const strangers = await report(input, await face.newUser())
    const nobodys = await report({ kilocodeOrganizationId: randomUUID() })
    expectRefusal(strangers, 'organization_not_found')
    expect(strangers.text).toBe(nobodys.text)
  })

  test('shows the budget that limits it', async () => {
    const key = bearer(operator.apiKey)
    await face.mutate('setBudget', { scope: 'user', id: colleague.userId, limitUsd: 5 }, key)
    await face.mutate('setBudget', { scope: 'organization', id: organizationId, limitUsd: 20 }, key)
    expect(dataOf<UsageReport>(await report({}, colleague)).budgets).toMatchObject([{ scope: 'user', limitUsd: 5 }])
    expect(dataOf<UsageReport>(await report({})).budgets).toEqual([])
    const ours = dataOf<UsageReport>(await report({ kilocodeOrganizationId: organizationId }))
    expect(ours.budgets).toMatchObject([{ scope: 'organization', id: organizationId, limitUsd: 20 }])
  })

  test('of no calls is empty, and of no range is refused', async () => {
    const empty = dataOf<UsageReport>(await report({ from: '2025-01-01', to: '2025-12-31' }))
    expect(empty).toMatchObject({ total: { calls: 0, costUsd: 0 }, days: [], models: [], users: [], sessions: [] })
    for (const range of [
      { from: '2026-03-02', to: '2026-03-01' },
      { from: '2025-01-01', to: '2026-03-01' },
      { from: '2026-02-30', to: '2026-03-01' },
      { from: 'yesterday', to: '2026-03-01' },
    ]) {
      expectRefusal(await report(range), 'invalid_input')
    }
  })

  test('reads the index of its user or organization', async () => {
    const caller = { userId: operator.userId, botId: null, internal: false }
    const planOf = async (input: object) => {
      const query = reportQuery(caller, { from: '2026-03-01', to: '2026-03-31', ...input })
      const { rows } = await database.orm.execute(sql`explain ${query}`)
      return JSON.stringify(rows)
    }
    await database.pool.query('set enable_seqscan = off')
    expect(await planOf({})).toContain('model_call_user')
    expect(await planOf({ kilocodeOrganizationId: organizationId })).toContain('model_call_organization')
  })
})

describe('costs of sessions', () => {
  test("are those of one's own; others are left out", async () => {
    const byId = Object.fromEntries(
      (await costs([ofMine, ofOurs, ofTheirs])).map(({ cloudAgentSessionId, ...cost }) => [cloudAgentSessionId, cost]),
    )
    expect(byId).toEqual({
      [ofMine]: { costUsd: 51, unpricedCalls: 0 },
      [ofOurs]: { costUsd: 4, unpricedCalls: 1 },
    })
    expect(await costs([ofMine], colleague)).toEqual([])
  })
})

test('executions of a session come page by page, the newest first', async () => {
  const id = await start(operator)
  const key = bearer(operator.apiKey)
  for (const prompt of ['second', 'x'.repeat(1_000)]) {
    await face.mutate('sendMessage', { cloudAgentSessionId: id, prompt }, key)
  }
  type List = { executions: { prompt: string; status: string }[]; nextCursor: string | null }
  const page = async (more: object) =>
    dataOf<List>(await face.query('listExecutions', { cloudAgentSessionId: id, ...more }, key))
  const first = await page({ limit: 2 })
  expect(first.executions.map(({ prompt, status }) => [prompt, status])).toEqual([
    ['x'.repeat(200), 'queued'],
    ['second', 'queued'],
  ])
  const rest = await page({ limit: 2, cursor: first.nextCursor })
  expect(rest.executions.map(({ prompt }) => prompt)).toEqual([preparation.prompt])
  expect(rest.nextCursor).toBeNull()
  expectRefusal(await face.query('listExecutions', { cloudAgentSessionId: id, cursor: 'LTE' }, key), 'invalid_input')
})
