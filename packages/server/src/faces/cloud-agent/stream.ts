/**
 * `/stream`: the WebSocket on which viewers see a session's log. Everything is checked before 101, in one order:
 * parameters, the ticket's signature and time, its session, access now, and at the very last its one use, so that a
 * refused request never burns a ticket. A ticket is never logged nor sent back. Source: 30-cloud-agent-api §8, §9.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { CorralError } from '@corral/protocol'
import type { Logger } from 'pino'
import { isConnectionError } from '../../database/connect.ts'
import type { Caller } from '../../identity/caller.ts'
import type { Standing, Standings } from '../../identity/standings.ts'
import type { Tickets } from '../../identity/tickets.ts'
import type { Log } from '../../log/log.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import {
  answerUpgrades,
  checkOrigin,
  createUpgrader,
  invalidParameter,
  refusalBecause,
  type UpgradeRefusal,
} from '../webSocketUpgrade.ts'
import { readStreamRequest, type StreamRequest } from './streamRequest.ts'
import { type StreamTimers, serveViewer, type Viewer } from './viewer.ts'

export type Stream = {
  /** Listener of an HTTP server's `upgrade`; answers every upgrade that it gets. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** How many are open. */
  viewers(): number
  /** Refuses new viewers and ends the live ones, which come back elsewhere. Returns after 2 s at the latest. */
  close(): Promise<void>
}

const path = '/stream'
const defaultTimers: StreamTimers = { pingMs: 20_000, silenceMs: 45_000 }
/** A viewer has nothing to say; so much is read before it is told so. */
const maxMessageBytes = 1024 * 1024

export function createStream(options: {
  sessions: Pick<Sessions, 'access' | 'connected' | 'onDeleted'>
  log: Pick<Log, 'replay' | 'follow' | 'lastSeq' | 'knownKeys'>
  tickets: Pick<Tickets, 'verify' | 'consume'>
  standings: Pick<Standings, 'holds' | 'watch'>
  /** Of browsers. Empty: the page's own, by its `Host`. */
  allowedOrigins: readonly string[]
  logger: Logger
  timers?: StreamTimers
}): Stream {
  const { sessions, log, tickets, standings, allowedOrigins, logger, timers = defaultTimers } = options
  const viewers = new Set<Viewer>()
  const webSockets = createUpgrader(maxMessageBytes)
  let stopping = false

  const forgetDeletions = sessions.onDeleted((session) => {
    for (const viewer of viewers) if (viewer.session === session) viewer.close('deleted')
  })

  async function admit(message: IncomingMessage, socket: Duplex, head: Buffer): Promise<UpgradeRefusal | null> {
    if (stopping) return refusalBecause('unavailable')
    const url = URL.parse(message.url ?? '', 'http://corral')
    if (url?.pathname !== path) return { status: 404, error: 'not_found', message: `Only ${path} speaks WebSocket.` }
    const badOrigin = checkOrigin(message.headers, allowedOrigins)
    if (badOrigin) return badOrigin
    const read = readStreamRequest(url.searchParams, message.headers)
    if (!read.ok) return read.refusal
    const { request } = read

    const verified = request.ticket === null ? null : await tickets.verify(request.ticket)
    if (!verified?.ok) return badTicket
    const { claims } = verified
    if (claims.purpose !== 'stream' || claims.cloudAgentSessionId !== request.session) {
      return { status: 403, error: 'ticket_mismatch', message: 'The ticket is for another session or purpose.' }
    }
    const caller: Caller = { userId: claims.userId, botId: null, internal: false }
    const { lastSeq, organizationId } = await sessions.access(caller, request.session)
    const standing: Standing = { userId: claims.userId, organizationId, credential: claims.credential }
    if (!(await standings.holds(standing))) return badTicket
    const unfit = await contradictsLog(request, lastSeq)
    if (unfit) return unfit
    if (!(await tickets.consume(claims.nonce, claims.exp))) return badTicket
    if (stopping) return refusalBecause('unavailable')

    webSockets.handleUpgrade(message, socket, head, (webSocket) => {
      const viewer = serveViewer({
        socket: webSocket,
        transport: socket,
        request,
        sessions,
        log,
        timers,
        logger,
      })
      viewers.add(viewer)
      const forget = standings.watch(standing, () => viewer.close('accessEnded'))
      void viewer.ended.then(() => {
        forget()
        viewers.delete(viewer)
      })
    })
    return null
  }

  async function contradictsLog(request: StreamRequest, lastSeq: number): Promise<UpgradeRefusal | null> {
    if (request.after !== null && request.after > lastSeq) {
      const message = `The log ends at ${lastSeq}; start from 0.`
      return { status: 400, error: 'cursor_ahead', message, parameter: 'fromId' }
    }
    // Every execution of the session began with an event under this key.
    const keys = request.executionIds.map((id) => `queued:${id}`)
    const known = await log.knownKeys(request.session, keys)
    const unknown = keys.find((key) => !known.has(key))
    return unknown === undefined
      ? null
      : invalidParameter('executionIds', `${unknown.slice('queued:'.length)} is not of this session`)
  }

  function refusalFor(error: unknown): UpgradeRefusal {
    if (error instanceof CorralError) return refusalBecause(error.reason)
    logger.error({ error }, 'a viewer could not be admitted')
    return refusalBecause(isConnectionError(error) ? 'unavailable' : 'internal')
  }

  return {
    viewers: () => viewers.size,
    handleUpgrade: answerUpgrades(admit, refusalFor),
    async close() {
      stopping = true
      forgetDeletions()
      for (const viewer of viewers) viewer.close('stopping')
      await Promise.all([...viewers].map((viewer) => viewer.ended))
    },
  }
}

const badTicket: UpgradeRefusal = {
  status: 401,
  error: 'ticket_refused',
  message: 'A stream ticket is needed that is valid, at most 60 s old and not used yet; get a new one.',
}
