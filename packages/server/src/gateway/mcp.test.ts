import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { afterAll, describe, expect, test } from 'vitest'
import { startTestMcpServer } from '../testing/mcpServer.ts'
import { bearer, testGateway } from './testGateway.ts'

const variable = (name: string) => `\${env:${name}}`

describe('an MCP server behind the gateway', async () => {
  const remote = await startTestMcpServer()
  const gateway = await testGateway({ allowPrivateHosts: [`127.0.0.1:${remote.port}`] })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await remote.close()
  })

  const headers = { 'X-Tool-Token': `tok-${variable('TOKEN')}` }
  const at = (url: string, more: object = {}) => ({ type: 'streamable-http', url, headers, timeout: 60, ...more })
  const own = await gateway.session({
    secret: {
      envVars: { TOKEN: 'hunter22', PORT: String(remote.port) },
      mcpServers: {
        'the tools': at(remote.url.replace(String(remote.port), variable('PORT'))),
        events: { ...at(remote.sseUrl), type: 'sse' },
        off: at(remote.url, { disabled: true }),
        program: { type: 'stdio', command: 'true', timeout: 60 },
        lacking: at(remote.url, { headers: { 'x-key': variable('NONE') } }),
        private: at('http://127.0.0.1:1/mcp'),
        hidden: at('https://metadata.localhost/mcp'),
        moved: at(remote.url.replace('/mcp', '/elsewhere')),
        quoting: at(remote.url.replace('/mcp', '/quoting')),
        gone: at(remote.url.replace('/mcp', '/nowhere')),
      },
    },
  })
  const stranger = await gateway.session()
  const doorOf = (name: string) => new URL(`${gateway.doorUrl}/mcp/${encodeURIComponent(name)}`)
  const requestInit = { headers: { authorization: `Bearer ${own.token}` } }

  async function connected(transport: Transport): Promise<Client> {
    const client = new Client({ name: 'agent', version: '1.0.0' })
    await client.connect(transport)
    return client
  }

  test.each([
    ['streamable HTTP', () => new StreamableHTTPClientTransport(doorOf('the tools'), { requestInit })],
    ['SSE', () => new SSEClientTransport(doorOf('events'), { requestInit })],
  ])('is used by %s with what the session has configured', async (_what, transport) => {
    const client = await connected(transport())
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name).sort()).toEqual(['shout', 'slow', 'token'])
    expect(await client.callTool({ name: 'shout', arguments: { text: 'hello' } })).toMatchObject({
      content: [{ text: 'HELLO!' }],
    })
    expect(await client.callTool({ name: 'token' })).toMatchObject({
      content: [{ text: `token of ${'tok-hunter22'.length} characters` }],
    })
    const reports: number[] = []
    await client.callTool({ name: 'slow' }, undefined, { onprogress: ({ progress }) => reports.push(progress) })
    expect(reports).toEqual([1, 2, 3])
    await client.close()
    expect(remote.requests.every((request) => request.headers['x-tool-token'] === 'tok-hunter22')).toBe(true)
    expect(remote.requests.filter((request) => request.headers.authorization !== undefined)).toEqual([])
  })

  test.each([
    ['of nobody', 'the tools', 'wrong', 401, 'no valid token'],
    ['of another session', 'the tools', stranger.token, 404, 'no remote MCP server'],
    ['of a server that is not configured', 'other', own.token, 404, 'no remote MCP server'],
    ['of one that is disabled', 'off', own.token, 404, 'that is enabled'],
    ['of a program', 'program', own.token, 404, 'no remote MCP server'],
    ['of one that needs an unknown variable', 'lacking', own.token, 403, 'NONE'],
    ['of a private address', 'private', own.token, 403, 'not allowed'],
    ['of a name that is this host', 'hidden', own.token, 403, 'not allowed'],
    ['of one that redirects', 'moved', own.token, 502, 'redirects'],
    ['of one whose error quotes the header', 'quoting', own.token, 502, 'not passed on'],
  ])('a call %s is refused', async (_what, name, token, status, words) => {
    const path = doorOf(name).pathname
    const answer = await gateway.call(path, { method: 'POST', headers: bearer(token), body: '{}' })
    const text = await answer.body.text()
    expect({ status: answer.statusCode, text }).toEqual({ status, text: expect.stringContaining(words) })
    expect(text).not.toContain('hunter22')
  })

  test('one that speaks by SSE is not asked in the other way, which it might never answer', async () => {
    const answer = await gateway.call('/mcp/events', { method: 'POST', headers: bearer(own.token), body: '{}' })
    expect(answer.statusCode).toBe(405)
    await answer.body.dump()
  })

  test('its own errors pass', async () => {
    const answer = await gateway.call('/mcp/gone', { method: 'POST', headers: bearer(own.token), body: '{}' })
    expect(answer.statusCode).toBe(404)
    await answer.body.dump()
  })

  test.each([
    ['another host', Buffer.from('//other.example/x').toString('base64url')],
    ['nothing', ''],
    ['a place that is no path', Buffer.from('x').toString('base64url')],
  ])('a place that names %s is refused', async (_what, place) => {
    const path = `/mcp/events/at/${place}`
    const answer = await gateway.call(path, { method: 'POST', headers: bearer(own.token), body: '{}' })
    expect([403, 404]).toContain(answer.statusCode)
    expect(await answer.body.text()).toContain('corral:')
  })

  test('no value of a header or variable is in the log of the gateway', () => {
    expect(gateway.logged()).toContain('mcp call')
    expect(gateway.logged()).not.toContain('hunter22')
  })

  test('a stream that only listens ends when another gateway takes over, and the client goes on with that one', async () => {
    const client = await connected(new StreamableHTTPClientTransport(doorOf('the tools'), { requestInit }))
    await gateway.start()
    expect(await client.callTool({ name: 'shout', arguments: { text: 'still there' } })).toMatchObject({
      content: [{ text: 'STILL THERE!' }],
    })
    await client.close()
  })
})
