/**
 * What every WebSocket of ours asks of an upgrade before it looks at anything else, and how it is refused: with a plain
 * answer, so that the refusal has a status and a sentence.
 */
import { type IncomingHttpHeaders, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RefusalReason, refusals } from '@corral/protocol'
import { WebSocketServer } from 'ws'

/** An answer instead of the upgrade. */
export type UpgradeRefusal = { status: number; error: string; message: string; parameter?: string }

const subprotocol = 'corral.v1'
const ticketSubprotocol = 'corral.ticket.'

const upgradeRequired: UpgradeRefusal = {
  status: 426,
  error: 'upgrade_required',
  message: 'This address speaks WebSocket only.',
}

export const invalidParameter = (parameter: string, message: string): UpgradeRefusal => ({
  status: 400,
  error: 'invalid_parameter',
  message: `${parameter}: ${message}.`,
  parameter,
})

export const refusalBecause = (reason: RefusalReason): UpgradeRefusal => ({
  status: refusals[reason].httpStatus,
  error: reason,
  message: refusals[reason].sentence,
})

/** All that could make the upgrade fail after a ticket has been used up. */
export function checkHandshake(headers: IncomingHttpHeaders): UpgradeRefusal | null {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return upgradeRequired
  if (headers['sec-websocket-version'] !== '13') return invalidParameter('Sec-WebSocket-Version', 'must be 13')
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    return invalidParameter('Sec-WebSocket-Key', 'must be 16 bytes in base64')
  }
  return null
}

/** The ticket that comes as the query's `ticket` or as a subprotocol: in one of these ways, and once. */
export function offeredTicket(
  headers: IncomingHttpHeaders,
  inQuery: string | undefined,
): { ticket: string | null } | { refusal: UpgradeRefusal } {
  const offered = offeredProtocols(headers)
  if (offered === null) {
    return { refusal: invalidParameter('Sec-WebSocket-Protocol', 'is not a list of distinct names') }
  }
  const tickets = offered.filter((name) => name.startsWith(ticketSubprotocol))
  if (tickets.length > 1) return { refusal: invalidParameter('ticket', 'is given more than once') }
  const [carried] = tickets
  if (carried !== undefined && inQuery !== undefined) {
    return { refusal: invalidParameter('ticket', 'is given in two ways') }
  }
  if (carried !== undefined && !offered.includes(subprotocol)) {
    return { refusal: invalidParameter('Sec-WebSocket-Protocol', `needs ${subprotocol} beside the ticket`) }
  }
  return { ticket: inQuery ?? carried?.slice(ticketSubprotocol.length) ?? null }
}

function offeredProtocols(headers: IncomingHttpHeaders): string[] | null {
  const header = headers['sec-websocket-protocol']
  if (header === undefined) return []
  const names = header.split(',').map((name) => name.trim())
  const wellFormed = names.every((name) => /^[\w!#$%&'*+\-.^`|~]+$/.test(name))
  return wellFormed && new Set(names).size === names.length ? names : null
}

/** `allowed`: origins of browsers. Empty: the page's own, by its `Host`. */
export function checkOrigin({ origin, host }: IncomingHttpHeaders, allowed: readonly string[]): UpgradeRefusal | null {
  const isAllowed =
    origin === undefined ||
    (allowed.length > 0 ? allowed.includes(origin) : host !== undefined && URL.parse(origin)?.host === host)
  return isAllowed
    ? null
    : { status: 403, error: 'origin_refused', message: 'Pages of this origin may not connect here.' }
}

/**
 * The listener of an HTTP server's `upgrade`: `admit` upgrades, or says why it does not. It answers every upgrade that it
 * gets; `failed` says what becomes of an error.
 */
export function answerUpgrades(
  admit: (message: IncomingMessage, socket: Duplex, head: Buffer) => Promise<UpgradeRefusal | null>,
  failed: (error: unknown) => UpgradeRefusal,
) {
  return (message: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const ignore = () => socket.destroy()
    socket.on('error', ignore)
    void admit(message, socket, head)
      .catch(failed)
      .then((refusal) => {
        if (refusal) refuse(socket, refusal)
        else socket.off('error', ignore)
      })
  }
}

/** Without a server of its own; programs may leave out our subprotocol. */
export const createUpgrader = (maxMessageBytes: number): WebSocketServer =>
  new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  })

function refuse(socket: Duplex, { status, ...body }: UpgradeRefusal): void {
  const text = JSON.stringify(body)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
    ...(status === upgradeRequired.status ? ['upgrade: websocket'] : []),
  ]
  socket.once('finish', () => socket.destroy())
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`)
}

/** For a plain request to an address that speaks WebSocket. */
export function answerWithoutUpgrade(): Response {
  const { status, ...body } = upgradeRequired
  return Response.json(body, { status, headers: { upgrade: 'websocket' } })
}
