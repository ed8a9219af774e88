/** For tests: an HTTP server on loopback that remembers what it was asked, and closes with everything that is open. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'

export type Asked = {
  method: string
  path: string
  query: URLSearchParams
  authorization: string | null
  headers: IncomingHttpHeaders
}

export type HostServer = AsyncDisposable & { url: string; requests: Asked[] }

export async function startHost(
  answer: (asked: Asked, request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<HostServer> {
  const requests: Asked[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://host')
    const asked = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      authorization: request.headers.authorization ?? null,
      headers: request.headers,
    }
    requests.push(asked)
    Promise.resolve(answer(asked, request, response)).catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

export function answerWith(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
}

/** `seen` keeps it as it was sent. */
export async function bodyOf(request: IncomingMessage, seen: string[] = []): Promise<Record<string, unknown>> {
  const sent = await text(request)
  seen.push(sent)
  const body: unknown = JSON.parse(sent)
  if (typeof body !== 'object' || body === null) throw new Error('the body is no object')
  return { ...body }
}
