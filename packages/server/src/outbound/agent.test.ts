import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createOutboundAgent, isTargetRefused, type Resolve } from './agent.ts'
import { createOutboundPolicy } from './policy.ts'

/** Listens on every address of this machine, IPv4 and IPv6, and counts who connects. */
let connections = 0
const server = createServer((incoming, response) => {
  if (incoming.url === '/moved') response.writeHead(302, { location: '/' }).end()
  else response.end('reached')
})
server.on('connection', () => connections++)
let port: number
beforeAll(async () => {
  server.listen(0, '::')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterAll(() => void server.close())

const v4 = (address: string) => ({ address, family: 4 })

async function ask(url: string, options: { listed?: string[]; resolve?: Resolve } = {}): Promise<string> {
  const { listed = [], ...deps } = options
  const policy = createOutboundPolicy({ allowPrivateHosts: listed })
  const agent = createOutboundAgent({ policy, ...deps }, { connectMs: 2_000 })
  try {
    const { statusCode, body } = await request(url, { dispatcher: agent })
    return `${statusCode} ${await body.text()}`
  } catch (error) {
    return isTargetRefused(error) ? 'refused' : String(error)
  } finally {
    await agent.destroy()
  }
}

test.each([
  'http://127.0.0.1',
  'https://127.0.0.1',
  'https://localhost',
  'https://[::1]',
  'https://[::ffff:127.0.0.1]',
])('%s is not connected to', async (origin) => {
  const before = connections
  expect(await ask(`${origin}:${port}/`)).toBe('refused')
  expect(connections).toBe(before)
})

test('a name that resolves to a private address is not connected to', async () => {
  const before = connections
  const resolve: Resolve = async () => [v4('127.0.0.1'), { address: '::1', family: 6 }]
  expect(await ask(`https://rebound.example:${port}/`, { resolve })).toBe('refused')
  expect(connections).toBe(before)
})

test('a name that resolves to a private address only at the second look-up is connected to once', async () => {
  let lookups = 0
  const resolve: Resolve = async () => [v4(lookups++ === 0 ? '127.0.0.1' : '127.0.0.2')]
  const policy = createOutboundPolicy({ allowPrivateHosts: ['127.0.0.1'] })
  const agent = createOutboundAgent({ policy, resolve }, { connectMs: 2_000, pipelining: 0 })
  const url = `http://rebound.example:${port}/`
  const before = connections
  expect(await (await request(url, { dispatcher: agent })).body.text()).toBe('reached')
  await expect(request(url, { dispatcher: agent })).rejects.toSatisfy(isTargetRefused)
  expect([lookups, connections]).toEqual([2, before + 1])
  await agent.destroy()
})

test('of several addresses only those are tried that may be', async () => {
  const resolve: Resolve = async () => [v4('127.0.0.2'), v4('127.0.0.1')]
  expect(await ask(`http://both.example:${port}/`, { listed: ['127.0.0.1'], resolve })).toBe('200 reached')
})

test('what the operator lists is reached, and a redirect is not followed', async () => {
  expect(await ask(`http://127.0.0.1:${port}/`, { listed: ['127.0.0.1'] })).toBe('200 reached')
  expect(await ask(`http://localhost:${port}/`, { listed: [`localhost:${port}`] })).toBe('200 reached')
  expect(await ask(`http://localhost:${port}/moved`, { listed: ['localhost'] })).toBe('302 ')
})

test('a name that does not resolve is no refusal', async () => {
  const resolve: Resolve = () => Promise.reject(new Error('ENOTFOUND'))
  expect(await ask('https://nowhere.example/', { resolve })).toContain('ENOTFOUND')
})
