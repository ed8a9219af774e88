import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { fallbackHeader } from '@corral/protocol'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { bearer, chat, type TestSession, testGateway } from './testGateway.ts'

/** By the model that is asked for: a status, or `break` in the middle of an answer. */
let behavior: Record<string, number | 'break'> = {}
let asked: string[] = []

const server = createServer(async (request, response) => {
  const { model } = JSON.parse(await text(request))
  asked.push(model)
  const does = behavior[model] ?? 200
  if (does === 'break') return void response.writeHead(200).write('half', () => response.destroy())
  response.writeHead(does, { [fallbackHeader]: 'forged' }).end(`from ${model}`)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
const port = typeof address === 'object' && address ? address.port : 0
const baseUrl = `http://127.0.0.1:${port}/v1`
const gateway = await testGateway({
  upstreams: { openai: { baseUrl }, anthropic: { baseUrl }, gone: { baseUrl: 'http://127.0.0.1:9/v1' } },
})
afterEach(() => {
  behavior = {}
  asked = []
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  server.closeAllConnections()
  server.close()
})

const call = (session: TestSession, model: string) =>
  gateway.call('/v1/chat/completions', {
    method: 'POST',
    headers: bearer(session.token),
    body: chat('say "hi"', { model }),
  })
const rows = async (session: TestSession) =>
  (
    await gateway.database.pool.query(
      'select model, status from model_call where session_id = $1 order by started_at',
      [session.id.slice(6)],
    )
  ).rows

describe('a model that cannot be had', () => {
  test.each([
    ['too many requests', 'openai/first', 429],
    ['a fault of its server', 'openai/first', 503],
    ['no connection', 'gone/first', null],
  ])('(%s) is passed over for the next of the session', async (_what, model, status) => {
    if (status !== null) behavior = { first: status }
    const session = await gateway.session({ model, fallbackModels: ['anthropic/other-wire', 'openai/second'] })
    const answer = await call(session, model)
    expect([answer.statusCode, await answer.body.text()]).toEqual([200, 'from second'])
    expect(JSON.parse(String(answer.headers[fallbackHeader]))).toEqual({
      passedOver: [{ model, status }],
      answered: 'openai/second',
    })
    // The row of a call is ended behind its answer.
    await expect
      .poll(() => rows(session), { timeout: 5_000 })
      .toEqual([
        { model: 'first', status },
        { model: 'second', status: 200 },
      ])
  })

  test('is answered with the error of the last, when there is no other', async () => {
    behavior = { first: 429, second: 500, third: 529 }
    const session = await gateway.session({ model: 'openai/first', fallbackModels: ['openai/second', 'openai/third'] })
    const answer = await call(session, 'openai/first')
    expect([answer.statusCode, await answer.body.text()]).toEqual([529, 'from third'])
    expect(asked).toEqual(['first', 'second', 'third'])
  })

  test('is not passed over for what is the caller’s own fault', async () => {
    behavior = { first: 400 }
    const session = await gateway.session({ model: 'openai/first', fallbackModels: ['openai/second'] })
    const answer = await call(session, 'openai/first')
    expect([answer.statusCode, await answer.body.text()]).toEqual([400, 'from first'])
  })

  test('is not passed over once its answer has begun', async () => {
    behavior = { first: 'break' }
    const session = await gateway.session({ model: 'openai/first', fallbackModels: ['openai/second'] })
    const answer = await call(session, 'openai/first')
    await expect(answer.body.text()).rejects.toThrow()
    expect(asked).toEqual(['first'])
  })
})

test('an answer without a fallback has no notice, whatever the upstream says', async () => {
  const session = await gateway.session({ model: 'openai/first', fallbackModels: ['openai/second'] })
  const answer = await call(session, 'openai/first')
  expect(answer.headers[fallbackHeader]).toBeUndefined()
  await answer.body.dump()
})
