/**
 * All supervisors that are connected: listens on the door, checks each token against its sandbox's boot, and keeps
 * at most one link per sandbox (a newer one closes the older). Nothing here dials in.
 */
import { createHash } from 'node:crypto'
import { chmod, rename, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { type EventsFrame, type Hello, limits, linkClose, linkSubprotocol, type SandboxId } from '@corral/protocol'
import { and, eq, inArray } from 'drizzle-orm'
import type { Logger } from 'pino'
import { type WebSocket, WebSocketServer } from 'ws'
import { type SandboxState, sandbox } from '../database/schema.ts'
import type { Database } from '../database/transaction.ts'
import { createWaitingRoom } from '../host/waitingRoom.ts'
import { answerHello } from './hello.ts'
import { type Link, serveLink } from './link.ts'
import { createTurnstile } from './turnstile.ts'

export type Links = {
  /** The sandbox's link, once it has said hello. */
  of(sandboxId: SandboxId): Link | null
  /** Whose supervisors have said hello. */
  linked(): SandboxId[]
  /** How many have said hello. */
  count(): number
  /** Since the last word of its supervisor, on whatever link; Infinity when there was none. */
  silentForMs(sandboxId: SandboxId): number
  /** For how long links have been accepted here. */
  acceptingForMs(): number
  /** Listens on `<doors>/server.sock`. */
  listen(socketPath: string): Promise<void>
  close(): Promise<void>
}

/** In these states a supervisor may connect. */
const linked: SandboxState[] = ['starting', 'ready', 'unreachable']

/** Connections without a token that may wait at the same time, and for how long: a supervisor shows it at once. */
const strangers = 256
const strangerPatienceMs = 10_000
/** Tokens that are looked up at the same time: the log needs the database more. */
const lookUpsAtOnce = 4
/** A supervisor has one, and for a moment a second when it dials again. */
const linksOfSandbox = 128

export function createLinks(options: {
  database: Database
  offer(frame: EventsFrame): Promise<{ epoch: number; n: number }>
  /** A link has opened or closed: the sandbox and its sessions are to be looked at. */
  changed(sandboxId: SandboxId): void
  /** Answers a plain request on the door, which came with the token of this boot. Without: there is nothing. */
  serve?(
    from: { sandboxId: SandboxId; bootId: string },
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void>
  /** Answers an upgrade on another path than the link's, which came with the token of this boot; false: it does not. */
  upgrade?(
    from: { sandboxId: SandboxId; bootId: string },
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): boolean
  logger: Logger
}): Links {
  const { database, offer, changed, logger } = options
  const open = new Map<SandboxId, Link>()
  /** The last word on a link that has closed, or is not open yet. */
  const lastSeenAt = new Map<SandboxId, number>()
  /** Also those that have not said hello yet. */
  const dialed = new Map<SandboxId, Set<WebSocket>>()
  const webSockets = new WebSocketServer({
    noServer: true,
    // One event at its largest, its escaping, and the frame around it.
    maxPayload: limits.eventBytes * 2,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(linkSubprotocol) ? linkSubprotocol : false),
  })
  const http = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => {
      logger.warn({ method: request.method, url: request.url, error }, 'a request of a supervisor failed')
      if (response.headersSent) response.destroy()
      else response.writeHead(503, { connection: 'close' }).end()
    })
  })
  const waitingRoom = createWaitingRoom({ places: strangers, patienceMs: strangerPatienceMs })
  const lookUp = createTurnstile(lookUpsAtOnce)
  let acceptingSince: number | null = null

  http.on('connection', (socket) => waitingRoom.enter(socket))

  http.on('upgrade', (request, socket, head) => {
    void admit(request, socket, head).catch((error: unknown) => {
      logger.warn({ error }, 'a supervisor could not be admitted')
      refuse(socket, 503)
    })
  })

  /** Whose token it is, while that boot lives. */
  async function callerOf(
    request: IncomingMessage,
    states: SandboxState[],
  ): Promise<{ sandboxId: SandboxId; bootId: string } | null> {
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (!token) return null
    const hash = createHash('sha256').update(token).digest()
    const [row] = await lookUp(() =>
      database.orm
        .select({ id: sandbox.id, bootId: sandbox.bootId })
        .from(sandbox)
        .where(and(eq(sandbox.linkTokenHash, hash), inArray(sandbox.state, states))),
    )
    if (!row?.bootId) return null
    waitingRoom.leave(request.socket)
    return { sandboxId: row.id, bootId: row.bootId }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // One that is asked to end may still bring what it has.
    const caller = await callerOf(request, [...linked, 'stopping'])
    if (caller && options.serve) return options.serve(caller, request, response)
    response.writeHead(caller ? 404 : 401, { connection: 'close' }).end()
  }

  async function admit(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    const caller = await callerOf(request, linked)
    if (caller && request.url !== '/link' && options.upgrade?.(caller, request, socket, head)) return
    if (!caller || request.url !== '/link') return refuse(socket, 401)
    const { sandboxId, bootId } = caller
    const own = dialed.get(sandboxId) ?? new Set()
    if (own.size >= linksOfSandbox) return refuse(socket, 503)
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      dialed.set(sandboxId, own.add(webSocket))
      webSocket.on('close', () => {
        own.delete(webSocket)
        if (own.size === 0) dialed.delete(sandboxId)
      })
      // Whatever is wrong with what it sends: also one that is being refused must not end this process.
      webSocket.on('error', (error) => logger.info({ sandboxId, error: error.message }, 'a broken link'))
      if (webSocket.protocol !== linkSubprotocol) return webSocket.close(linkClose.unsupportedProtocol)
      serve(webSocket, sandboxId, bootId)
    })
  }

  function serve(webSocket: WebSocket, sandboxId: SandboxId, bootId: string): void {
    serveLink({
      socket: webSocket,
      sandboxId,
      bootId,
      logger,
      handlers: {
        async hello(hello: Hello, linkId: string) {
          // Its sandbox is `ready` as soon as this is written, which others may see before its link is open here.
          lastSeenAt.set(sandboxId, performance.now())
          const result = await answerHello(database, { sandboxId, bootId, linkId }, hello)
          if ('refused' in result) {
            logger.info({ sandboxId, bootId, refused: result.refused }, 'a supervisor was refused')
          }
          return result
        },
        opened(link) {
          const other = open.get(sandboxId)
          // Two hellos may be answered in one order and get here in the other.
          if (other && other.incarnation > link.incarnation) return link.close(linkClose.fenced, 'a newer supervisor')
          other?.close(linkClose.fenced, 'a newer connection of this sandbox')
          open.set(sandboxId, link)
          logger.info({ sandboxId, linkId: link.id, incarnation: link.incarnation }, 'supervisor connected')
          changed(sandboxId)
        },
        offer,
        closed(link) {
          if (!link || open.get(sandboxId) !== link) return
          open.delete(sandboxId)
          lastSeenAt.set(sandboxId, link.lastSeenAt)
          logger.info({ sandboxId, linkId: link.id }, 'supervisor disconnected')
          // A link that we end ourselves on our way out is nothing to look into.
          if (acceptingSince !== null) changed(sandboxId)
        },
      },
    })
  }

  return {
    of: (sandboxId) => open.get(sandboxId) ?? null,
    linked: () => [...open.keys()],
    count: () => open.size,
    silentForMs(sandboxId) {
      const seenAt = open.get(sandboxId)?.lastSeenAt ?? lastSeenAt.get(sandboxId)
      return seenAt === undefined ? Number.POSITIVE_INFINITY : performance.now() - seenAt
    },
    acceptingForMs: () => (acceptingSince === null ? 0 : performance.now() - acceptingSince),
    async listen(socketPath) {
      // Made beside its place and renamed onto it, so that a dialling supervisor never finds half a door.
      const fresh = join(dirname(socketPath), `.server-${process.pid}.sock`)
      await rm(fresh, { force: true })
      await new Promise<void>((resolve, reject) => {
        http.once('error', reject)
        http.listen(fresh, resolve)
      })
      // Sandboxes run under other host users; the token is what admits them.
      await chmod(fresh, 0o666)
      await rename(fresh, socketPath)
      acceptingSince = performance.now()
    },
    async close() {
      acceptingSince = null
      const sockets = [...dialed.values()].flatMap((own) => [...own])
      for (const webSocket of sockets) webSocket.close(1012, 'server stopping')
      const closed = new Promise<void>((resolve) => http.close(() => resolve()))
      http.closeIdleConnections()
      const deadline = setTimeout(() => {
        for (const webSocket of sockets) webSocket.terminate()
        http.closeAllConnections()
      }, 1_000)
      await closed
      clearTimeout(deadline)
    },
  }
}

/** Closed on our side, too: a peer that never closes its own must not hold the connection. */
function refuse(socket: Duplex, status: 401 | 503): void {
  socket.end(
    `HTTP/1.1 ${status} ${status === 401 ? 'Unauthorized' : 'Service Unavailable'}\r\nconnection: close\r\n\r\n`,
    () => socket.destroy(),
  )
}
