import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { createServer as createTlsServer, connect as startTls } from 'node:tls'
import { type Network, networkSchema } from '@corral/protocol'
import { afterAll, describe, expect, test } from 'vitest'
import { selfSigned } from '../../testing/certificate.ts'
import { type TestSession, testGateway } from '../testGateway.ts'

/** Greets in TLS, and in plain text on the other two. */
const tls = createTlsServer(selfSigned('localhost'), (socket) => socket.end('hello over TLS'))
const plain = createServer((socket) => socket.end('hello at once'))
const http = createHttpServer((request, response) => response.end(JSON.stringify(request.headers)))
const servers = [tls, plain, http]
const ports: number[] = []
for (const server of servers) {
  server.on('error', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ports.push((server.address() as AddressInfo).port)
}
const [tlsPort = 0, plainPort = 0, httpPort = 0] = ports

const gateway = await testGateway({
  allowPrivateHosts: [`localhost:${tlsPort}`, `localhost:${plainPort}`, `localhost:${httpPort}`],
  gitHosts: { 'git.example': {} },
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const server of servers) server.close()
})

const everything = [`localhost:${tlsPort}`, `localhost:${plainPort}`, `localhost:${httpPort}`]
const sessionWith = (network: Partial<Network>) => gateway.session({ network: networkSchema.parse(network) })
const credentials = ({ token }: Pick<TestSession, 'token'>) => `Basic ${Buffer.from(`${token}:`).toString('base64')}`

/** What the proxy says to a CONNECT, and the connection. */
async function tunnel(session: Pick<TestSession, 'token'>, authority: string) {
  const socket = connect({ path: gateway.settings.socket })
  await once(socket, 'connect')
  const token = session.token === '' ? '' : `Proxy-Authorization: ${credentials(session)}\r\n`
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${token}\r\n`)
  const [first] = await once(socket, 'data')
  socket.pause()
  const [head = '', body = ''] = String(first).split('\r\n\r\n')
  return { socket, status: Number(head.split(' ')[1]), head, body }
}

async function overTls(socket: Socket, servername: string): Promise<string> {
  const secure = startTls({ socket, servername, rejectUnauthorized: false })
  return text(secure)
}

async function fetchPlain(session: TestSession, url: string) {
  const socket = connect({ path: gateway.settings.socket })
  socket.write(
    `GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nProxy-Authorization: ${credentials(session)}\r\n\r\n`,
  )
  return text(socket)
}

describe('a tunnel', () => {
  test('leads to a listed host and port, both ways, and is noted with its bytes', async () => {
    const session = await sessionWith({ hosts: everything })
    const { status, socket } = await tunnel(session, `localhost:${tlsPort}`)
    expect(status).toBe(200)
    expect(await overTls(socket, 'localhost')).toBe('hello over TLS')
    await expect
      .poll(() => gateway.visits(session), { timeout: 5_000 })
      .toEqual([expect.objectContaining({ host: 'localhost', port: tlsPort, refused: '', visits: 1 })])
    const [visit] = await gateway.visits(session)
    expect(visit?.sentBytes).toBeGreaterThan(100)
    expect(visit?.receivedBytes).toBeGreaterThan(100)
  })

  test('carries what is no TLS on a port that is listed, also where the server speaks first', async () => {
    const session = await sessionWith({ hosts: everything })
    const { status, socket, body } = await tunnel(session, `localhost:${plainPort}`)
    expect(status).toBe(200)
    expect(body + (await text(socket))).toBe('hello at once')
  })

  test('is cut before a byte goes on when TLS names another server than was asked for', async () => {
    const session = await sessionWith({ hosts: everything })
    for (const name of ['elsewhere.test', '']) {
      const { status, socket } = await tunnel(session, `localhost:${tlsPort}`)
      expect(status).toBe(200)
      expect(await overTls(socket, name)).toBe('')
    }
    await expect
      .poll(() => gateway.visits(session), { timeout: 5_000 })
      .toEqual([expect.objectContaining({ host: 'localhost', refused: 'server_name', visits: 2 })])
  })

  test.each([
    ['a host that is not listed', 'elsewhere.test:443', 'not_listed', { hosts: everything }],
    ['a port that is not listed', `localhost:${httpPort + 1}`, 'port', { hosts: everything }],
    ['a host of code', 'git.example:443', 'git_host', { mode: 'open' }],
    ['the own host of code', 'github.com:443', 'git_host', { mode: 'open' }],
    ['any host, for a session without network', `localhost:${tlsPort}`, 'off', { mode: 'off', hosts: everything }],
    ['a private address', '10.0.0.1:443', 'address', { mode: 'open' }],
    ['this machine as a number', '2130706433:443', 'address', { mode: 'open' }],
    ['this machine in hexadecimal', '0x7f.1:443', 'address', { mode: 'open' }],
    ['the metadata address', '169.254.169.254:443', 'address', { mode: 'open' }],
    ['this machine by IPv6', '[::1]:443', 'address', { mode: 'open' }],
    ['this machine as IPv4 in IPv6', '[::ffff:127.0.0.1]:443', 'address', { mode: 'open' }],
    ['a name of this machine', 'localhost:443', 'address', { mode: 'open' }],
  ] as const)('to %s is refused, and says why', async (_, authority, why, network) => {
    const session = await sessionWith({ ...network, hosts: 'hosts' in network ? [...network.hosts] : [] })
    const { status, body, head } = await tunnel(session, authority)
    expect(status).toBe(403)
    expect(body).toMatch(/^corral: /)
    expect(head).toContain(`corral-session: ${session.id}`)
    await expect
      .poll(() => gateway.visits(session), { timeout: 5_000 })
      .toEqual([expect.objectContaining({ refused: why, visits: 1 })])
  })

  test('that is refused again within a minute is not told of again', async () => {
    const session = await sessionWith({})
    expect((await tunnel(session, 'first.test:443')).head).toContain('corral-notice: ')
    expect((await tunnel(session, 'first.test:443')).head).not.toContain('corral-notice: ')
    expect((await tunnel(session, 'second.test:443')).head).toContain('corral-notice: ')
  })

  test('takes a token of a session', async () => {
    for (const token of ['', 'crl_unknown']) {
      const { status, head } = await tunnel({ token }, `localhost:${tlsPort}`)
      expect(status).toBe(407)
      expect(head.toLowerCase()).toContain('proxy-authenticate: basic')
    }
  })
})

describe('plain http', () => {
  test('reaches what the operator and the session list, without the token', async () => {
    const session = await sessionWith({ hosts: everything })
    const answer = await fetchPlain(session, `http://localhost:${httpPort}/`)
    expect(answer).toContain('HTTP/1.1 200')
    expect(answer).toContain(`"host":"localhost:${httpPort}"`)
    expect(answer).not.toContain(session.token)
    expect(answer.toLowerCase()).not.toContain('proxy-authorization')
  })

  test('is refused where it is not listed', async () => {
    const session = await sessionWith({ mode: 'open' })
    expect(await fetchPlain(session, 'http://10.0.0.1/')).toContain('HTTP/1.1 403')
    expect(await fetchPlain(session, `http://localhost:${httpPort}/`)).toContain('HTTP/1.1 403')
  })
})
