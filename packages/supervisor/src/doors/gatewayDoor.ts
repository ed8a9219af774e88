/**
 * The gateway as programs in the sandbox see it: an HTTP server on loopback that gives every call a connection of its
 * own to the gateway's socket. Invariants: while no byte of an answer has come, a call is repeated for 60 s, so a
 * gateway that is restarted goes unnoticed; after the first byte a broken answer is reset, never ended cleanly.
 */
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Fallback, fallbackHeader, fallbackSchema } from '@corral/protocol'
import { errorText } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
import { createBody, type RepeatableBody } from './body.ts'

export type GatewayDoor = { origin: string; close(): void }

const againMinMs = 50
const againMaxMs = 2_000

/** What describes one connection and not the call (RFC 9110, 7.6.1); Node makes its own for the other side. */
const hopHeaders = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  fallbackHeader,
]

export async function openGatewayDoor(options: {
  socketPath: string
  port: number
  repeatForMs: number
  /** The gateway has passed over models for whoever has this token. */
  fellBack(token: string, fallback: Fallback): void
  /** Whose a call to a registry is that says nothing of it: package managers have no good way to. Null: nobody's. */
  registryToken(connection: Socket): string | null
  log: Log
}): Promise<GatewayDoor> {
  const server = createServer((incoming, outgoing) => {
    forward(incoming, outgoing, options).catch((error: unknown) => {
      options.log('error', 'a call to the gateway failed', { error: errorText(error) })
      outgoing.destroy()
    })
  })
  // Model streams may be silent for long; whoever owns the call bounds it.
  server.requestTimeout = 0
  server.timeout = 0
  server.keepAliveTimeout = 60_000
  await listen(server, options.port)
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : options.port
  return {
    origin: `http://127.0.0.1:${port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })

type ForwardOptions = Pick<
  Parameters<typeof openGatewayDoor>[0],
  'socketPath' | 'repeatForMs' | 'fellBack' | 'registryToken' | 'log'
>

async function forward(incoming: IncomingMessage, outgoing: ServerResponse, options: ForwardOptions): Promise<void> {
  const { socketPath, repeatForMs, fellBack, registryToken, log } = options
  const body = createBody(incoming)
  const headers = endToEnd(incoming.rawHeaders)
  if (incoming.url?.startsWith('/registry/') && incoming.headers.authorization === undefined) {
    const token = registryToken(incoming.socket)
    if (token !== null) headers.push('authorization', `Bearer ${token}`)
  }
  const left = new AbortController()
  outgoing.on('close', () => left.abort())
  const deadline = performance.now() + repeatForMs
  for (let waitMs = againMinMs; ; waitMs = Math.min(waitMs * 2, againMaxMs)) {
    const end = await attempt({ incoming, headers, outgoing, body, socketPath, fellBack, signal: left.signal })
    if (left.signal.aborted || end === 'answered') return
    if (end === 'broken' || !body.repeatable) return outgoing.socket?.resetAndDestroy() as undefined
    if (performance.now() + waitMs > deadline) {
      log('warn', 'the gateway cannot be reached', { error: end.error })
      return refuse(outgoing)
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}

/** `answered`: all of it. `broken`: a part of it. `error`: nothing, so the call may be made again. */
type AttemptEnd = 'answered' | 'broken' | { error: string }

function attempt(options: {
  incoming: IncomingMessage
  headers: string[]
  outgoing: ServerResponse
  body: RepeatableBody
  socketPath: string
  fellBack: ForwardOptions['fellBack']
  signal: AbortSignal
}): Promise<AttemptEnd> {
  const { incoming, headers, outgoing, body, socketPath, fellBack, signal } = options
  return new Promise((resolve) => {
    const call = httpRequest({
      socketPath,
      method: incoming.method,
      path: incoming.url,
      headers,
      agent: false,
      signal,
    })
    call.on('error', (error) => resolve({ error: error.message }))
    call.on('response', (answer) => {
      const fallback = fallbackOf(answer.headers)
      if (fallback) fellBack(String(incoming.headers.authorization).replace(/^Bearer /i, ''), fallback)
      outgoing.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.rawHeaders))
      outgoing.flushHeaders()
      answer.pipe(outgoing)
      answer.on('close', () => resolve(answer.complete ? 'answered' : 'broken'))
    })
    body.sendTo(call)
  })
}

/** Undefined, too, for what is not in its form: a call must not fail for a notice. */
function fallbackOf(headers: IncomingMessage['headers']): Fallback | undefined {
  const told = headers[fallbackHeader]
  if (typeof told !== 'string') return undefined
  try {
    return fallbackSchema.safeParse(JSON.parse(told)).data
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function endToEnd(rawHeaders: string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = rawHeaders.slice(i, i + 2)
    if (!hopHeaders.includes(name.toLowerCase())) kept.push(name, value)
  }
  return kept
}

function refuse(outgoing: ServerResponse): void {
  const message = "Corral's gateway cannot be reached; it was tried for a minute. Try again later."
  outgoing.writeHead(503, { 'content-type': 'application/json' })
  outgoing.end(JSON.stringify({ error: { message, type: 'unavailable', code: 'unavailable' } }))
}
