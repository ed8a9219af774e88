/**
 * A real MCP server on this host, made with the official SDK: by streamable HTTP at `/mcp`, and by SSE at `/sse`. It has
 * a tool `shout`, one that says by which header it was called, and one that is slow and reports on its way.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'

export type TestMcpServer = {
  port: number
  url: string
  sseUrl: string
  /** Of every request so far. */
  requests: { method: string; path: string; headers: IncomingMessage['headers'] }[]
  close(): Promise<void>
}

const tokenHeader = 'x-tool-token'

export async function startTestMcpServer(): Promise<TestMcpServer> {
  const requests: TestMcpServer['requests'] = []
  const streamable = new Map<string, StreamableHTTPServerTransport>()
  const sse = new Map<string, SSEServerTransport>()

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://here')
    requests.push({ method: request.method ?? '', path: url.pathname, headers: request.headers })
    if (url.pathname === '/elsewhere') return void response.writeHead(302, { location: '/mcp' }).end()
    if (url.pathname === '/quoting') return void response.writeHead(500).end(JSON.stringify(request.headers))
    if (url.pathname === '/sse') {
      const transport = new SSEServerTransport('/messages', response)
      sse.set(transport.sessionId, transport)
      return newServer().connect(transport)
    }
    if (url.pathname === '/messages') {
      const transport = sse.get(url.searchParams.get('sessionId') ?? '')
      return transport ? transport.handlePostMessage(request, response) : void response.writeHead(404).end()
    }
    if (url.pathname !== '/mcp') return void response.writeHead(404).end()
    const known = streamable.get(String(request.headers['mcp-session-id']))
    const transport = known ?? (await newStreamable())
    return transport.handleRequest(request, response)
  }

  async function newStreamable(): Promise<StreamableHTTPServerTransport> {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void streamable.set(id, transport),
    })
    await newServer().connect(transport)
    return transport
  }

  const http = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const address = http.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    port,
    url: `http://127.0.0.1:${port}/mcp`,
    sseUrl: `http://127.0.0.1:${port}/sse`,
    requests,
    async close() {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()))
      http.closeAllConnections()
      await closed
    },
  }
}

function newServer(): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  const said = (text: string) => ({ content: [{ type: 'text' as const, text }] })
  server.registerTool('shout', { description: 'Says it loudly', inputSchema: { text: z.string() } }, ({ text }) =>
    said(`${text.toUpperCase()}!`),
  )
  server.registerTool('token', { description: 'Whether the right header was sent', inputSchema: {} }, (_, extra) =>
    said(`token of ${String(extra.requestInfo?.headers[tokenHeader] ?? '').length} characters`),
  )
  server.registerTool('slow', { description: 'Reports on its way', inputSchema: {} }, async (_, extra) => {
    const { progressToken } = extra._meta ?? {}
    for (const progress of [1, 2, 3]) {
      if (progressToken !== undefined)
        await extra.sendNotification({ method: 'notifications/progress', params: { progressToken, progress } })
      await delay(20)
    }
    return said('done')
  })
  return server
}
