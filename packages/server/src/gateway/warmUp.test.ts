import { warmUpModel } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bearer, type TestGateway, type TestSession, testGateway } from './testGateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

const post = ({ token }: Pick<TestSession, 'token'>, path: string, model = warmUpModel) =>
  gateway.call(path, {
    method: 'POST',
    headers: bearer(token),
    body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'Answer with one word.' }] }),
  })

const rows = async (table: 'model_call' | 'budget') =>
  (await gateway.database.pool.query(`select * from ${table}`)).rows

test.each([
  ['/v1/chat/completions', /"content":"Warm\.".*"finish_reason":"stop".*\[DONE\]/s],
  ['/v1/responses', /response\.created.*"delta":"Warm\.".*response\.completed/s],
  ['/v1/messages', /message_start.*"text":"Warm\.".*"end_turn".*message_stop/s],
])('an agent that warms up by %s is answered at once, and nothing is asked or counted', async (path, stream) => {
  const session = await gateway.session({ running: true })
  // Nothing is left of it, which is no obstacle.
  await gateway.database.pool.query(
    `insert into budget (scope, scope_id, limit_usd, spent_usd) values ('session', $1, 1, 2)`,
    [session.id],
  )
  const answer = await post(session, path)
  expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8'])
  expect(await answer.body.text()).toMatch(stream)
  expect(await rows('model_call')).toEqual([])
  expect(await rows('budget')).toContainEqual(
    expect.objectContaining({ scope_id: session.id, spent_usd: '2.000000000' }),
  )
  expect(await gateway.scripted.requests()).toEqual([])
})

test('only a session that is known warms up', async () => {
  const answer = await post({ token: 'corral_gw_none' }, '/v1/chat/completions')
  expect(answer.statusCode).toBe(401)
  await answer.body.dump()
})

test('a prompt that speaks of it is no warm-up', async () => {
  const session = await gateway.session()
  const body = {
    model: 'scripted/demo',
    stream: true,
    messages: [{ role: 'user', content: `play: say "${warmUpModel}"` }],
  }
  const answer = await gateway.call('/v1/chat/completions', {
    method: 'POST',
    headers: bearer(session.token),
    body: JSON.stringify(body),
  })
  await answer.body.dump()
  expect(await gateway.scripted.requests()).toHaveLength(1)
})
