/**
 * `/terminal`: the WebSocket of one terminal. Everything is checked before 101, in the order of `/stream`: parameters, the
 * ticket's signature and time, what it is for, access now, whether the terminal is there, and last its one use, so that a
 * refused request never burns a ticket. Source: 30-cloud-agent-api §8.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { CorralError, type PtyId, ptyIdSchema, type SessionId, sessionIdSchema, terminalLimits } from '@corral/protocol'
import type { Logger } from 'pino'
import { z } from 'zod'
import { isConnectionError } from '../../database/connect.ts'
import type { Caller } from '../../identity/caller.ts'
import type { Standing, Standings } from '../../identity/standings.ts'
import type { Tickets } from '../../identity/tickets.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import type { Relay } from '../../terminals/relay.ts'
import type { Terminals } from '../../terminals/terminals.ts'
import {
  answerUpgrades,
  checkHandshake,
  checkOrigin,
  createUpgrader,
  invalidParameter,
  offeredTicket,
  refusalBecause,
  type UpgradeRefusal,
} from '../webSocketUpgrade.ts'

export const terminalPath = '/terminal'

export type TerminalSocket = {
  /** Listener of an HTTP server's `upgrade`; answers every upgrade that it gets. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Refuses new viewers and ends the live ones, which come back elsewhere. Returns after 2 s at the latest. */
  close(): Promise<void>
}

const parametersSchema = z.strictObject({
  cloudAgentSessionId: sessionIdSchema,
  ptyId: ptyIdSchema,
  ticket: z.string().min(1).optional(),
})

export function createTerminalSocket(options: {
  sessions: Pick<Sessions, 'access' | 'onDeleted'>
  terminals: Pick<Terminals, 'find' | 'show'>
  tickets: Pick<Tickets, 'verify' | 'consume'>
  standings: Pick<Standings, 'holds' | 'watch'>
  /** Of browsers. Empty: the page's own, by its `Host`. */
  allowedOrigins: readonly string[]
  logger: Logger
}): TerminalSocket {
  const { sessions, terminals, tickets, standings, allowedOrigins, logger } = options
  const open = new Set<{ session: SessionId; relay: Relay }>()
  const webSockets = createUpgrader(terminalLimits.frameBytes)
  let stopping = false

  const forgetDeletions = sessions.onDeleted((session) => {
    for (const one of open) if (one.session === session) one.relay.close('deleted')
  })

  async function admit(message: IncomingMessage, socket: Duplex, head: Buffer): Promise<UpgradeRefusal | null> {
    if (stopping) return refusalBecause('unavailable')
    const badOrigin = checkOrigin(message.headers, allowedOrigins)
    if (badOrigin) return badOrigin
    const read = readRequest(message)
    if ('refusal' in read) return read.refusal
    const { session, ptyId } = read

    const verified = read.ticket === null ? null : await tickets.verify(read.ticket)
    if (!verified?.ok) return badTicket
    const { claims } = verified
    if (claims.purpose !== 'terminal' || claims.cloudAgentSessionId !== session || claims.ptyId !== ptyId) {
      return { status: 403, error: 'ticket_mismatch', message: 'The ticket is for another terminal or purpose.' }
    }
    const caller: Caller = { userId: claims.userId, botId: null, internal: false }
    const place = await sessions.access(caller, session)
    const { organizationId } = place
    const standing: Standing = { userId: claims.userId, organizationId, credential: claims.credential }
    if (!(await standings.holds(standing))) return badTicket
    await terminals.find(place, ptyId)
    if (!(await tickets.consume(claims.nonce, claims.exp))) return badTicket
    if (stopping) return refusalBecause('unavailable')

    webSockets.handleUpgrade(message, socket, head, (webSocket) => {
      const own = { session, relay: terminals.show(place, ptyId, webSocket) }
      open.add(own)
      const forget = standings.watch(standing, () => own.relay.close('accessEnded'))
      void own.relay.ended.then(() => {
        forget()
        open.delete(own)
      })
    })
    return null
  }

  function refusalFor(error: unknown): UpgradeRefusal {
    if (error instanceof CorralError) return refusalBecause(error.reason)
    logger.error({ error }, 'a viewer of a terminal could not be admitted')
    return refusalBecause(isConnectionError(error) ? 'unavailable' : 'internal')
  }

  return {
    handleUpgrade: answerUpgrades(admit, refusalFor),
    async close() {
      stopping = true
      forgetDeletions()
      for (const { relay } of open) relay.close('stopping')
      await Promise.all([...open].map(({ relay }) => relay.ended))
    },
  }
}

type TerminalRequest = { session: SessionId; ptyId: PtyId; ticket: string | null }

function readRequest({ url, headers }: IncomingMessage): TerminalRequest | { refusal: UpgradeRefusal } {
  const handshake = checkHandshake(headers)
  if (handshake) return { refusal: handshake }
  const search = new URL(url ?? '', 'http://corral').searchParams
  const twice = [...new Set(search.keys())].find((name) => search.getAll(name).length > 1)
  if (twice !== undefined) return { refusal: invalidParameter(twice, 'is given more than once') }
  const parsed = parametersSchema.safeParse(Object.fromEntries(search))
  if (!parsed.success) return { refusal: invalidParameter(...whatIsWrong(parsed.error)) }
  const { cloudAgentSessionId: session, ptyId, ticket } = parsed.data
  const carried = offeredTicket(headers, ticket)
  return 'refusal' in carried ? carried : { session, ptyId, ticket: carried.ticket }
}

function whatIsWrong({ issues: [issue] }: z.ZodError): [parameter: string, message: string] {
  if (issue?.code === 'unrecognized_keys') return [issue.keys[0] ?? '', 'is no parameter of this address']
  return [String(issue?.path[0] ?? ''), issue?.message ?? 'is not valid']
}

const badTicket: UpgradeRefusal = {
  status: 401,
  error: 'ticket_refused',
  message: 'A ticket for this terminal is needed that is valid, at most 60 s old and not used yet; get a new one.',
}
