/**
 * An agent's HTTP server whose state a test sets, for faults that a real agent does not have on demand: a feed that
 * breaks at a moment, a status that lies ahead of its events, a server that no longer answers.
 */
import { createServer, type ServerResponse } from 'node:http'
import { createAgentApi } from '../agents/opencode/api.ts'
import type { AgentServer } from '../agents/opencode/server.ts'

export type TestAgent = {
  server: AgentServer
  statuses: Record<string, { type: string }>
  messages: Record<string, unknown[]>
  children: Record<string, { id: string; time: { created: number } }[]>
  /** Those that wait; a reply takes them away, and what is not there is not found. */
  permissions: { id: string }[]
  questions: { id: string }[]
  calls: string[]
  emit(type: string, properties: Record<string, unknown>): void
  /** Feeds that are open now. */
  feeds(): number
  cutFeeds(): void
  /** While true, nothing is answered. */
  freeze(frozen: boolean): void
  onAbort(act: () => void): void
  close(): void
}

export async function startTestAgent(): Promise<TestAgent> {
  const feeds = new Set<ServerResponse>()
  const statuses: TestAgent['statuses'] = {}
  const messages: TestAgent['messages'] = {}
  const children: TestAgent['children'] = {}
  const permissions: TestAgent['permissions'] = []
  const questions: TestAgent['questions'] = []
  const calls: string[] = []
  const ended = Promise.withResolvers<string>()
  let frozen = false
  let onAbort: () => void = () => undefined

  const http = createServer((request, response) => {
    if (frozen) return
    const path = request.url?.replace(/\?.*/, '') ?? ''
    const [, kind, id = '', what] = path.split('/')
    calls.push(`${request.method} ${path}`)
    if (path === '/event') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      feeds.add(response)
      request.on('close', () => feeds.delete(response))
      return
    }
    if (what === 'abort') onAbort()
    const waiting = kind === 'permission' ? permissions : kind === 'question' ? questions : null
    if (waiting && id !== '') {
      const at = waiting.findIndex((ask) => ask.id === id)
      if (at === -1) return response.writeHead(404).end('{}')
      waiting.splice(at, 1)
    }
    const answer =
      waiting && id === ''
        ? waiting
        : path === '/session/status'
          ? statuses
          : kind === 'session' && what === 'message'
            ? (messages[id] ?? [])
            : kind === 'session' && what === 'children'
              ? (children[id] ?? [])
              : true
    response.end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const address = http.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const close = () => {
    http.close()
    http.closeAllConnections()
    ended.resolve('closed')
  }
  return {
    server: {
      api: createAgentApi({ origin: `http://127.0.0.1:${port}`, username: 'corral', password: 'x' }),
      ended: ended.promise,
      hasEnded: () => false,
      async end() {
        close()
      },
    },
    statuses,
    messages,
    children,
    permissions,
    questions,
    calls,
    emit(type, properties) {
      for (const feed of feeds) feed.write(`data: ${JSON.stringify({ type, properties })}\n\n`)
    },
    feeds: () => feeds.size,
    cutFeeds() {
      for (const feed of feeds) feed.destroy()
    },
    freeze(to) {
      frozen = to
    },
    onAbort(act) {
      onAbort = act
    },
    close,
  }
}
