/** What comes through the door as bytes: unclear HTTP, tokens that are no good, and clients that go away. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { connect } from 'node:net'
import { networkSchema } from '@corral/protocol'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { bearer, chat, type TestSession, testGateway } from './testGateway.ts'

/** Model server, git host, registry and site in one; silent unless told otherwise. */
const asked: IncomingMessage[] = []
let answer: RequestListener = () => {}
const upstream = createServer((request, response) => {
  asked.push(request)
  answer(request, response)
})
await once(upstream.listen(0, '127.0.0.1'), 'listening')
const address = upstream.address()
const place = `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
const gateway = await testGateway({
  upstreams: { own: { baseUrl: `http://${place}/v1`, apiKey: 'sk-own' } },
  gitHosts: { 'git.example': { url: `http://${place}/git`, api: `http://${place}/api`, kind: 'github' } },
  registries: { npm: { url: `http://${place}/npm` } },
  allowPrivateHosts: [place],
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  upstream.closeAllConnections()
  upstream.close()
})
beforeEach(() => {
  asked.length = 0
  answer = () => {}
})

const newSession = () =>
  gateway.session({
    ...{ model: 'own/m', repository: 'https://git.example/acme/app' },
    network: networkSchema.parse({ hosts: [place] }),
  })

/** All that the gateway says to these bytes until it ends the connection, or has said `last`. */
function say(bytes: string, last?: RegExp): Promise<string> {
  const socket = connect({ path: gateway.settings.socket })
  let said = ''
  return new Promise((resolve, reject) => {
    socket.setTimeout(5_000, () => reject(new Error(`The connection stays open after: ${said}`)))
    socket.on('data', (chunk) => {
      said += chunk.toString('latin1')
      if (last?.test(said)) socket.destroy()
    })
    // What is sent to a connection that was refused already is reset.
    socket.on('error', () => {})
    socket.on('close', () => resolve(said))
    // Latin 1 is one byte for each character.
    socket.write(bytes, 'latin1')
  })
}

const close = 'Connection: close\r\n'

describe('what is no clear HTTP is refused, and reaches nobody', () => {
  const body = chat('say "hello"', { model: 'own/m' })
  const smuggled = 'GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n'
  const head = (session: TestSession, ...lines: string[]) =>
    ['POST /v1/chat/completions HTTP/1.1', 'Host: gateway', `Authorization: Bearer ${session.token}`, ...lines].join(
      '\r\n',
    )

  test.each<[string, (session: TestSession) => string]>([
    ['two lengths', (s) => `${head(s, `Content-Length: ${body.length}`, 'Content-Length: 0')}\r\n\r\n${body}`],
    ['two lengths in one line', (s) => `${head(s, `Content-Length: ${body.length}, 0`)}\r\n\r\n${body}`],
    [
      'a length and chunks',
      (s) => `${head(s, 'Content-Length: 4', 'Transfer-Encoding: chunked')}\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'chunks and a length',
      (s) => `${head(s, 'Transfer-Encoding: chunked', 'Content-Length: 4')}\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'chunks that are not last',
      (s) => `${head(s, 'Transfer-Encoding: chunked, identity')}\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'an encoding that looks like chunks',
      (s) => `${head(s, 'Transfer-Encoding: \x0bchunked')}\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    ['a chunk whose length is none', (s) => `${head(s, 'Transfer-Encoding: chunked')}\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n`],
    [
      'a chunk that is longer than it says',
      (s) => `${head(s, 'Transfer-Encoding: chunked')}\r\n\r\n2\r\nabcd\r\n0\r\n\r\n`,
    ],
    ['a negative length', (s) => `${head(s, 'Content-Length: -1')}\r\n\r\n`],
    ['a space before a colon', (s) => `${head(s, `Content-Length : ${body.length}`)}\r\n\r\n${body}`],
    ['a line that goes on in the next', (s) => `${head(s, 'X-Folded: one', ' Content-Length: 4')}\r\n\r\n${body}`],
    [
      'lines without a carriage return',
      (s) => `${head(s, `Content-Length: ${body.length}`).replaceAll('\r\n', '\n')}\n\n${body}`,
    ],
    [
      'a carriage return within a line',
      (s) => `${head(s, `X-Inside: a\rContent-Length: ${body.length}`)}\r\n\r\n${body}`,
    ],
    ['a zero byte in a header', (s) => `${head(s, 'X-Zero: a\0b', `Content-Length: ${body.length}`)}\r\n\r\n${body}`],
    ['no host', (s) => `POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer ${s.token}\r\n\r\n`],
    ['headers without end', (s) => `${head(s, `X-Long: ${'x'.repeat(64 * 1024)}`)}\r\n\r\n`],
    [
      'a path without end',
      (s) => `GET /v1/models?${'x'.repeat(64 * 1024)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${s.token}\r\n\r\n`,
    ],
    ['another protocol', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('%s', async (_, bytes) => {
    const said = await say(bytes(await newSession()))
    expect(said).toMatch(/^HTTP\/1\.1 (400|431) /)
    expect(said.match(/HTTP\/1/g)).toHaveLength(1)
    expect(asked).toEqual([])
  })

  test('a second request behind the first is not answered by the first one’s faces', async () => {
    const session = await newSession()
    const get = `GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${session.token}\r\n\r\n`
    const said = await say(get + get, / 503 /)
    expect(said.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 503'])
  })

  test('a model call by its whole address is the web’s, and has its policy', async () => {
    const session = await newSession()
    const call = (url: string) =>
      say(
        `POST ${url} HTTP/1.1\r\nHost: x\r\n${close}Authorization: Bearer ${session.token}\r\nContent-Length: 0\r\n\r\n`,
      )
    expect(await call('http://gateway/v1/chat/completions')).toMatch(/^HTTP\/1\.1 407/)
    expect(await call('file:///etc/passwd')).toMatch(/^HTTP\/1\.1 4/)
    expect(await call('*')).toMatch(/^HTTP\/1\.1 404/)
    expect(await call('//169.254.169.254/latest')).toMatch(/^HTTP\/1\.1 404/)
    expect(asked).toEqual([])
  })

  test('an upgrade is not made, and its header goes nowhere', async () => {
    answer = (_, response) => response.end('{}')
    const session = await newSession()
    const said = await say(
      `${head(session, 'Connection: Upgrade, X-Named, close', 'Upgrade: h2c', 'X-Named: a', `Content-Length: ${body.length}`)}\r\n\r\n${body}`,
    )
    expect(said).toMatch(/^HTTP\/1\.1 200/)
    expect(asked[0]?.headers).not.toHaveProperty('upgrade')
    expect(asked[0]?.headers).not.toHaveProperty('x-named')
  })
})

type Door = { name: string; bytes(token: string | null): string }
const line = (name: string, token: string | null) => (token === null ? '' : `${name}: Bearer ${token}\r\n`)
const proxied = (token: string | null) =>
  token === null ? '' : `Proxy-Authorization: Basic ${Buffer.from(`${token}:`).toString('base64')}\r\n`
const doors: Door[] = [
  ...[
    'POST /v1/chat/completions',
    'POST /v1/responses',
    'POST /v1/messages',
    'GET /v1/models',
    'GET /git/git.example/acme/app.git/info/refs?service=git-upload-pack',
    'GET /api/git.example/repos/acme/app',
    'POST /mcp/tracker',
    'GET /registry/npm/x',
  ].map((first) => ({
    name: first,
    bytes: (token: string | null) =>
      `${first} HTTP/1.1\r\nHost: x\r\n${close}${line('Authorization', token)}Content-Length: 0\r\n\r\n`,
  })),
  { name: 'CONNECT', bytes: (token) => `CONNECT ${place} HTTP/1.1\r\nHost: x\r\n${proxied(token)}\r\n` },
  { name: 'plain http', bytes: (token) => `GET http://${place}/ HTTP/1.1\r\nHost: x\r\n${close}${proxied(token)}\r\n` },
]

describe.each(doors)('at $name', ({ bytes }) => {
  const refused = async (token: string | null) => {
    expect(await say(bytes(token))).toMatch(/^HTTP\/1\.1 (401|407) /)
    expect(asked).toEqual([])
  }

  test('nobody is let in without a token of a session that lives, in the sandbox that it was given to', async () => {
    await refused(null)
    await refused('crl_unknown')
    await refused('sk-own')
    const { pool } = gateway.database
    const deleted = await newSession()
    await pool.query(`update session set state = 'deleted' where id = $1`, [deleted.id.slice(6)])
    await refused(deleted.token)
    const restarted = await newSession()
    await pool.query(`update sandbox set boot_id = 'boot_later' where name = $1`, [restarted.id])
    await refused(restarted.token)
  })
})

test('the token of another session opens what is the other’s alone', async () => {
  const other = await gateway.session({ repository: 'https://git.example/acme/other', model: 'scripted/demo' })
  const ask = async (path: string, method: 'GET' | 'POST' = 'GET', body?: string) => {
    const { statusCode, body: said } = await gateway.call(path, {
      method,
      headers: bearer(other.token),
      body: body ?? null,
    })
    await said.dump()
    return statusCode
  }
  expect(await ask('/v1/chat/completions', 'POST', chat('', { model: 'own/m' }))).toBe(403)
  expect(await ask('/api/git.example/repos/acme/app')).toBe(403)
  expect(await ask('/git/git.example/acme/app.git/info/refs?service=git-receive-pack')).toBe(403)
  expect(await ask('/mcp/tracker', 'POST', '{}')).toBe(404)
  expect(asked).toEqual([])
})

describe('a client that goes away', () => {
  test.each([
    ['while a model is silent', 'POST /v1/chat/completions', chat('', { model: 'own/m' })],
    ['while git is silent', 'GET /git/git.example/acme/app.git/info/refs?service=git-upload-pack', ''],
    ['while REST is silent', 'GET /api/git.example/repos/acme/app', ''],
    ['while a registry is silent', 'GET /registry/npm/x', ''],
  ])('%s has its call upstream canceled', async (_, first, body) => {
    const session = await newSession()
    const socket = connect({ path: gateway.settings.socket }).on('error', () => {})
    socket.write(
      `${first} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${session.token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    await vi.waitFor(() => expect(asked).toHaveLength(1), { timeout: 5_000, interval: 10 })
    const [call] = asked
    expect(call?.socket.destroyed).toBe(false)
    socket.destroy()
    await vi.waitFor(() => expect(call?.socket.destroyed).toBe(true), { timeout: 5_000, interval: 10 })
  })

  test('in the middle of a download has it canceled, too', async () => {
    const session = await newSession()
    answer = (_, response) => void response.writeHead(200, { 'content-length': 1_000_000 }).write('the beginning')
    const download = await gateway.call('/registry/npm/x/-/x-1.tgz', { headers: bearer(session.token) })
    download.body.on('error', () => {})
    const [call] = asked
    download.body.destroy()
    await vi.waitFor(() => expect(call?.socket.destroyed).toBe(true), { timeout: 5_000, interval: 10 })
  })
})
