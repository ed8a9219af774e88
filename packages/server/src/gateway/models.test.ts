import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { bearer, chat, operatorKey, type TestSession, testGateway } from './testGateway.ts'

/** A model server that says what the test wants, byte by byte. */
async function modelServer(listener: RequestListener) {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

let say: (response: ServerResponse, path: string) => unknown = () => {}
const plain = await modelServer((request, response) => {
  request.resume().on('end', () => say(response, request.url ?? ''))
})
const openai = { baseUrl: plain.url, apiKey: operatorKey }
const gateway = await testGateway({
  upstreams: {
    openai,
    anthropic: openai,
    gone: { baseUrl: 'http://127.0.0.1:9/v1' },
    asleep: { urlFile: '/nowhere/url' },
  },
  timeouts: { firstByteMs: 2_000, betweenBytesMs: 2_000 },
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  plain.close()
})

const post = (session: TestSession, body: string | Buffer, path = '/v1/chat/completions', headers = {}) =>
  gateway.call(path, { method: 'POST', headers: { ...bearer(session.token), ...headers }, body })

const row = async (session: TestSession) =>
  (await gateway.database.pool.query('select * from model_call where session_id = $1', [session.id.slice(6)])).rows[0]

const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 5_000, interval: 20 })

describe('an answer', () => {
  test.each([
    ['/v1/chat/completions', 'openai/gpt'],
    ['/v1/responses', 'openai/gpt'],
    ['/v1/messages?beta=true', 'anthropic/claude'],
    ['/v1/messages/count_tokens', 'anthropic/claude'],
  ])('of %s comes byte for byte as the upstream sent it', async (path, model) => {
    const session = await gateway.session({ model })
    const sent = Buffer.from(': ping\r\ndata: {"žluť":"🐎"}\n\n\n\ndata:{"usage":\n{}}\u0000 [DONE]')
    let asked = ''
    say = async (response, url) => {
      asked = url
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'r-1', 'set-cookie': 'a=b' })
      for (const byte of sent) {
        response.write(Buffer.of(byte))
        // Each byte is a chunk of its own.
        await turn()
      }
      response.end()
    }
    const answer = await post(session, JSON.stringify({ model }), path)
    expect(answer.headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-request-id': 'r-1' })
    expect(answer.headers).not.toHaveProperty('set-cookie')
    expect(Buffer.from(await answer.body.arrayBuffer())).toEqual(sent)
    expect(asked).toBe(path)
  })

  test('begins before it is complete', async () => {
    const session = await gateway.session()
    const answer = await post(session, chat('say "early" | gate early | say "late"'))
    const chunks = answer.body.iterator()
    let read = ''
    while (!read.includes('early')) read += (await chunks.next()).value
    expect(read).not.toContain('late')
    await gateway.scripted.release('early')
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) read += next.value
    expect(read).toContain('late')
  })

  test('waits in the upstream while its client does not read', async () => {
    const session = await gateway.session({ model: 'openai/gpt' })
    const piece = Buffer.alloc(64 * 1024, '.')
    let sentBytes = 0
    let stalled = false
    say = async (response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      while (!stalled) {
        sentBytes += piece.length
        if (!response.write(piece)) {
          stalled = await Promise.race([once(response, 'drain').then(() => false), delay(300, true)])
        }
      }
      response.end()
    }
    const answer = await post(session, '{"model":"openai/gpt"}')
    await until(() => expect(stalled).toBe(true))
    expect(sentBytes).toBeLessThan(16 * 1024 * 1024)
    expect((await answer.body.arrayBuffer()).byteLength).toBe(sentBytes)
  })
})

describe('what goes to the upstream', () => {
  test('has the real key and the upstream’s name of the model, and nothing of the token', async () => {
    const session = await gateway.session()
    await text((await post(session, chat('say "hi"'))).body)
    const asked = (await gateway.scripted.requests()).at(-1)
    expect(asked).toMatchObject({ authorization: `Bearer ${operatorKey}`, model: 'demo', wire: 'chat' })
  })

  test('is taken with the key of Anthropic’s clients, too', async () => {
    const session = await gateway.session()
    const body = JSON.stringify({
      model: 'scripted/demo',
      max_tokens: 100,
      messages: [{ role: 'user', content: 'play: say "hello from messages"' }],
    })
    const answer = await gateway.call('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': session.token, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
      body,
    })
    expect(await text(answer.body)).toContain('hello from messages')
    expect((await gateway.scripted.requests()).at(-1)).toMatchObject({ wire: 'messages' })
  })
})

describe('the row of a call', () => {
  test('is there, with the running execution, before the upstream is asked', async () => {
    const session = await gateway.session({ running: true })
    const answering = post(session, chat('gate row | say "hi"'))
    await gateway.scripted.waitAtGate('row', 5_000)
    expect(await row(session)).toMatchObject({
      ...{ execution_id: session.running, user_id: 'user-1', organization_id: 'org-1' },
      ...{ upstream: 'scripted', model: 'demo', ended_at: null, status: null, prompt_tokens: null },
    })
    await gateway.scripted.release('row')
    await text((await answering).body)
    await until(async () => expect(await row(session)).toMatchObject({ status: 200, ended_at: expect.any(Date) }))
  })

  test.each([
    ['/v1/chat/completions', chat('say "one two three"')],
    ['/v1/responses', JSON.stringify({ model: 'scripted/demo', stream: true, input: 'play: say "one two three"' })],
    [
      '/v1/messages',
      JSON.stringify({
        ...{ model: 'scripted/demo', stream: true, max_tokens: 50 },
        messages: [{ role: 'user', content: 'play: say "one two three"' }],
      }),
    ],
  ])('of %s has what the upstream counted', async (path, body) => {
    const session = await gateway.session()
    const answer = await post(session, body, path)
    const counts = [...(await text(answer.body)).matchAll(/"(?:output|completion)_tokens":(\d+)/g)].map(([, n]) =>
      Number(n),
    )
    await until(async () => {
      expect(await row(session)).toMatchObject({
        execution_id: null,
        completion_tokens: counts.at(-1),
        prompt_tokens: expect.any(Number),
      })
    })
    expect(counts.at(-1)).toBeGreaterThan(0)
  })

  test('is not made for counting tokens', async () => {
    const session = await gateway.session()
    const answer = await post(session, chat('say "hi"'), '/v1/messages/count_tokens')
    expect(await answer.body.json()).toEqual({ input_tokens: expect.any(Number) })
    expect(await row(session)).toBeUndefined()
  })
})

describe('a stream that does not come to its end', () => {
  test('because the client went away is canceled in the upstream', async () => {
    const session = await gateway.session()
    const gone = new AbortController()
    const answer = await gateway.call('/v1/chat/completions', {
      ...{ method: 'POST', headers: bearer(session.token), signal: gone.signal },
      body: chat('say "begun" | gate left | say "never"'),
    })
    await gateway.scripted.waitAtGate('left', 5_000)
    const broken = expect(text(answer.body)).rejects.toThrow()
    gone.abort()
    await broken
    await until(async () => expect((await gateway.scripted.requests()).at(-1)?.outcome).toBe('aborted'))
    await until(async () => expect(await row(session)).toMatchObject({ status: 200, ended_at: expect.any(Date) }))
  })

  test('because the client went away before the first byte is canceled, too', async () => {
    const session = await gateway.session()
    const gone = new AbortController()
    const answering = gateway.call('/v1/chat/completions', {
      ...{
        method: 'POST',
        headers: bearer(session.token),
        signal: gone.signal,
        body: chat('gate before | say "never"'),
      },
    })
    await gateway.scripted.waitAtGate('before', 5_000)
    gone.abort()
    await expect(answering).rejects.toThrow()
    await until(async () => expect((await gateway.scripted.requests()).at(-1)?.outcome).toBe('aborted'))
    await until(async () => expect(await row(session)).toMatchObject({ ended_at: expect.any(Date) }))
  })

  test('because the upstream broke is reset and never ended cleanly', async () => {
    const session = await gateway.session()
    const answer = await post(session, chat('say "begun" | disconnect'))
    await expect(text(answer.body)).rejects.toThrow()
    await until(async () => expect(await row(session)).toMatchObject({ status: 200, ended_at: expect.any(Date) }))
  })

  test('because the upstream fell silent is reset', async () => {
    const session = await gateway.session()
    const answer = await post(session, chat('say "begun" | hang'))
    await expect(text(answer.body)).rejects.toThrow()
  })
})

describe('a call that is refused', () => {
  const refusal = async (session: TestSession, body: string | Buffer, path?: string, headers?: object) => {
    const answer = await post(session, body, path, headers)
    return [answer.statusCode, await text(answer.body)] as const
  }

  test('names a model that is not the session’s', async () => {
    const session = await gateway.session({ model: 'openai/gpt' })
    const [status, said] = await refusal(session, chat('say "hi"'))
    expect([status, said]).toEqual([
      403,
      expect.stringContaining('may not call \\"scripted/demo\\". Its models are: openai/gpt'),
    ])
    expect(await row(session)).toBeUndefined()
  })

  test('was made by the wrong wire', async () => {
    const session = await gateway.session({ model: 'anthropic/claude' })
    const [status, said] = await refusal(session, '{"model":"anthropic/claude"}')
    expect([status, said]).toEqual([400, expect.stringContaining('speaks anthropic but was called by openai-chat')])
  })

  test('in the shape that Anthropic’s clients show', async () => {
    const session = await gateway.session()
    const [status, said] = await refusal(session, '{"model":"openai/gpt"}', '/v1/messages')
    expect([status, JSON.parse(said)]).toEqual([
      403,
      { type: 'error', error: { type: 'permission_error', message: expect.stringContaining('corral: this session') } },
    ])
  })

  test('has no token, an unknown one, or one that was replaced', async () => {
    const session = await gateway.session()
    expect((await refusal({ ...session, token: 'crl_unknown' }, chat('say "hi"')))[0]).toBe(401)
    expect((await refusal({ ...session, token: '' }, chat('say "hi"')))[0]).toBe(401)
    await gateway.database.pool.query(`update sandbox set boot_id = 'boot_later' where name = $1`, [session.id])
    expect((await refusal(session, chat('say "hi"')))[0]).toBe(401)
  })

  test('has a body that is too large, compressed, or no JSON', async () => {
    const session = await gateway.session()
    expect((await refusal(session, Buffer.alloc(33 * 1024 * 1024, ' ')))[0]).toBe(413)
    expect((await refusal(session, chat('say "hi"'), undefined, { 'content-encoding': 'gzip' }))[0]).toBe(400)
    expect((await refusal(session, 'not json'))[0]).toBe(400)
  })

  test('goes to an upstream that is not there', async () => {
    const gone = await gateway.session({ model: 'gone/model' })
    expect(await refusal(gone, '{"model":"gone/model"}')).toEqual([
      502,
      expect.stringContaining('could not be reached'),
    ])
    await until(async () => expect(await row(gone)).toMatchObject({ status: null, ended_at: expect.any(Date) }))
    const asleep = await gateway.session({ model: 'asleep/model' })
    expect(await refusal(asleep, '{"model":"asleep/model"}')).toEqual([503, expect.stringContaining('is not running')])
  })

  test('goes to an upstream that says nothing', async () => {
    const session = await gateway.session()
    expect(await refusal(session, chat('hang'))).toEqual([504, expect.stringContaining('did not answer in time')])
  })

  test('was refused by the upstream, for its own reasons', async () => {
    const session = await gateway.session({ model: 'openai/gpt' })
    say = (response) => response.writeHead(429, { 'retry-after': '7' }).end('{"error":{"message":"slow down"}}')
    const answer = await post(session, '{"model":"openai/gpt"}')
    expect([answer.statusCode, answer.headers['retry-after'], await text(answer.body)]).toEqual([
      429,
      '7',
      '{"error":{"message":"slow down"}}',
    ])
    await until(async () => expect(await row(session)).toMatchObject({ status: 429 }))
  })

  test.each([
    [401, `Incorrect API key provided: ${operatorKey}`, 'refused the key or account'],
    [400, `you sent ${operatorKey}`, 'is not passed on'],
    [302, 'elsewhere', 'is not passed on'],
  ])('was refused by the upstream with %i: our key and our trouble are not passed on', async (status, said, shown) => {
    const session = await gateway.session({ model: 'openai/gpt' })
    say = (response) => response.writeHead(status, { location: 'http://127.0.0.1:9/' }).end(said)
    const [answered, sentence] = await refusal(session, '{"model":"openai/gpt"}')
    expect([answered, sentence]).toEqual([502, expect.stringContaining(shown)])
    expect(sentence).not.toContain(operatorKey)
  })
})

describe('the models of a session', () => {
  test('are its own and those of executions that wait or run', async () => {
    const session = await gateway.session({ running: true })
    await gateway.database.pool.query(
      `update session set configuration = configuration || '{"model":"openai/gpt"}' where id = $1`,
      [session.id.slice(6)],
    )
    const list = await gateway.call('/v1/models', { headers: bearer(session.token) })
    expect(await list.body.json()).toEqual({
      object: 'list',
      data: ['openai/gpt', 'scripted/demo'].map((id) => ({ id, object: 'model', created: 0, owned_by: 'corral' })),
    })
    expect((await post(session, chat('say "hi"'))).statusCode).toBe(200)
    await gateway.database.pool.query(`update execution set state = 'completed', ended_at = now() where id = $1`, [
      session.running,
    ])
    expect((await post(session, chat('say "hi"'))).statusCode).toBe(403)
  })
})

test('no key, token, prompt or answer is in the log', async () => {
  const session = await gateway.session()
  await text((await post(session, chat('say "the secret answer"'))).body)
  await post({ ...session, token: 'crl_guessed' }, chat('say "x"'))
  // The line of a call is written after its answer.
  await expect.poll(() => gateway.logged()).toContain(session.id)
  const logged = gateway.logged()
  for (const secret of [operatorKey, session.token, 'crl_guessed', 'the secret answer', 'play:']) {
    expect(logged).not.toContain(secret)
  }
})
