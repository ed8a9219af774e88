/** What a model call costs, what that takes from budgets, and who may call no more. */
import { randomUUID } from 'node:crypto'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { bearer, chat, type TestSession, testGateway } from './testGateway.ts'

const prices = { demo: { inputPerMillionUsd: 3, outputPerMillionUsd: 15, cachedPerMillionUsd: 0.3 } }
const gateway = await testGateway()
await gateway.close()
const { pool } = gateway.database
const start = () => gateway.start({ upstreams: { scripted: { ...gateway.settings.upstreams?.scripted, prices } } })
await start()
afterAll(() => gateway[Symbol.asyncDispose]())

const ask = (session: TestSession, body = chat('say "hello"')) =>
  gateway.call('/v1/chat/completions', { method: 'POST', headers: bearer(session.token), body })

async function answered(session: TestSession, body?: string) {
  const answer = await ask(session, body)
  return { status: answer.statusCode, text: await answer.body.text() }
}

async function budget(scope: string, id: string, limitUsd: number): Promise<void> {
  await pool.query(
    `insert into budget (scope, scope_id, limit_usd) values ($1, $2, $3)
     on conflict (scope, scope_id) do update set limit_usd = excluded.limit_usd, spent_usd = 0`,
    [scope, id, limitUsd],
  )
}
async function spent(scope: string, id: string): Promise<number> {
  const { rows } = await pool.query('select spent_usd::float8 as usd from budget where scope = $1 and scope_id = $2', [
    scope,
    id,
  ])
  return rows[0].usd
}
async function calls(session: TestSession) {
  const { rows } = await pool.query(
    `select *, cost_usd::float8 as usd from model_call where session_id = $1 order by started_at`,
    [session.id.slice('agent_'.length)],
  )
  return rows
}
const until = <T>(look: () => T | Promise<T>) => vi.waitFor(look, { timeout: 5_000, interval: 20 })
const ended = (session: TestSession, count: number) =>
  until(async () => {
    const rows = (await calls(session)).filter((row) => row.ended_at !== null)
    expect(rows).toHaveLength(count)
    return rows
  })
const payers = () => ({ userId: randomUUID(), organizationId: randomUUID() })

test('a call costs what its tokens cost, and each of its budgets pays it once', async () => {
  const who = payers()
  const session = await gateway.session(who)
  await budget('session', session.id, 10)
  await budget('user', who.userId, 10)
  await budget('organization', who.organizationId, 10)
  expect((await answered(session)).status).toBe(200)
  const [row] = await ended(session, 1)
  const cost = (row.prompt_tokens * 3 + row.completion_tokens * 15) / 1e6
  expect(cost).toBeGreaterThan(0)
  expect(row.usd).toBeCloseTo(cost, 8)
  for (const [scope, id] of [
    ['session', session.id],
    ['user', who.userId],
    ['organization', who.organizationId],
  ] as const)
    expect(await spent(scope, id), scope).toBeCloseTo(cost, 8)
})

test('a call that was broken off costs something, too', async () => {
  const session = await gateway.session(payers())
  await budget('session', session.id, 10)
  const answer = await ask(session, chat('say "early" | gate broken | say "late"'))
  answer.body.on('error', () => {})
  await gateway.scripted.waitAtGate('broken', 5_000)
  answer.body.destroy()
  const [row] = await ended(session, 1)
  expect(row.completion_tokens).toBeNull()
  expect(row.usd).toBeGreaterThan(0)
  expect(await spent('session', session.id)).toBeCloseTo(row.usd, 8)
})

test('a call that the upstream refused costs nothing', async () => {
  const session = await gateway.session(payers())
  await budget('session', session.id, 10)
  expect((await answered(session, chat('fail 500'))).status).toBe(500)
  const [row] = await ended(session, 1)
  expect(row.usd).toBe(0)
  expect(await spent('session', session.id)).toBe(0)
})

test('the call after the one that used a budget up is refused with 402, and reaches no upstream', async () => {
  const session = await gateway.session(payers())
  await budget('session', session.id, 0.000001)
  expect((await answered(session)).status).toBe(200)
  await ended(session, 1)
  const refused = await answered(session)
  expect(refused.status).toBe(402)
  expect(JSON.parse(refused.text).error.message).toBe('corral: the budget of the session is used up.')
  expect(await calls(session)).toHaveLength(1)

  await budget('session', session.id, 1)
  expect((await answered(session)).status).toBe(200)
})

test('counting tokens is free, also with a budget that is used up', async () => {
  const session = await gateway.session(payers())
  await budget('session', session.id, 0)
  const answer = await gateway.call('/v1/messages/count_tokens', {
    method: 'POST',
    headers: bearer(session.token),
    body: chat('say "hello"'),
  })
  await answer.body.dump()
  expect(answer.statusCode).not.toBe(402)
})

test('a model without a price is not called where a budget is to pay it', async () => {
  const session = await gateway.session({ ...payers(), model: 'scripted/other' })
  const body = chat('say "hello"', { model: 'scripted/other' })
  expect((await answered(session, body)).status).toBe(200)
  const [row] = await ended(session, 1)
  expect(row.cost_usd).toBeNull()
  await budget('session', session.id, 10)
  expect((await answered(session, body)).status).toBe(403)
})

test('the end of a call that is told twice is paid once', async () => {
  const who = payers()
  const session = await gateway.session(who)
  await budget('user', who.userId, 10)
  const at = new Date().toISOString()
  const line = [
    ...[randomUUID(), session.id.slice('agent_'.length), null, who.userId, who.organizationId, 'scripted', 'demo', at],
    ...[at, 200, 1_000, 1_000, 0, 0.25],
  ]
  const spool = join(gateway.settings.stateFolder, 'usage.ndjson')
  await appendFile(spool, `${JSON.stringify(line)}\n`.repeat(2))
  await until(async () => expect(await spent('user', who.userId)).toBe(0.25))
  await appendFile(spool, `${JSON.stringify(line)}\n`)
  const last = [randomUUID(), ...line.slice(1, -1), 0.5]
  await appendFile(spool, `${JSON.stringify(last)}\n`)
  await until(async () => expect(await spent('user', who.userId)).toBe(0.75))
})

test('calls at once that share budgets are all paid', async () => {
  const who = payers()
  const all = await Promise.all(Array.from({ length: 8 }, () => gateway.session(who)))
  await budget('user', who.userId, 10)
  await budget('organization', who.organizationId, 10)
  await Promise.all(all.flatMap((session) => [answered(session), answered(session), answered(session)]))
  const rows = (await Promise.all(all.map((session) => ended(session, 3)))).flat()
  const cost = rows.reduce((sum, row) => sum + row.usd, 0)
  expect(await spent('user', who.userId)).toBeCloseTo(cost, 7)
  expect(await spent('organization', who.organizationId)).toBeCloseTo(cost, 7)
})
