/**
 * `/api/user/events`: the WebSocket on which programs hear that a session of their user's has changed. Checked before 101
 * as on `/stream`, the ticket's one use at the very last; our own back ends show the internal secret instead.
 * Source: 31-ingest-and-facade (b).
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { agentSessionIdSchema, mostNarrowedIds } from '@corral/protocol'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { SessionChanges } from '../../database/changes.ts'
import { isConnectionError } from '../../database/connect.ts'
import type { Caller } from '../../identity/caller.ts'
import { sameSecret } from '../../identity/sameSecret.ts'
import type { Standing, Standings } from '../../identity/standings.ts'
import type { WebTickets } from '../../identity/webTickets.ts'
import type { SessionRows } from '../../sessions/reads/rows.ts'
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
import { type Consumer, type FeedTimers, serveConsumer } from './consumer.ts'

export const feedPath = '/api/user/events'

export type Feed = {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  close(): Promise<void>
}

const defaultTimers: FeedTimers = { everyMs: 250, pingMs: 20_000, silenceMs: 45_000 }
const maxMessageBytes = 64 * 1024

const parameters = z.strictObject({
  ticket: z.string().min(1).optional(),
  sessionIds: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(agentSessionIdSchema).max(mostNarrowedIds, `holds more than ${mostNarrowedIds} ids`))
    .optional(),
})

/** Who wants to be told, and what uses up the proof of it; for a back end nothing does. */
type Admission = { standing: Standing; use(): Promise<boolean> }

export function createFeed(options: {
  rows: Pick<SessionRows, 'some' | 'lost'>
  changes: SessionChanges
  webTickets: WebTickets
  standings: Pick<Standings, 'holds' | 'watch'>
  internalApiSecret: string
  allowedOrigins: readonly string[]
  logger: Logger
  timers?: FeedTimers
}): Feed {
  const { rows, changes, webTickets, standings, internalApiSecret, allowedOrigins, logger } = options
  const consumers = new Set<Consumer>()
  const webSockets = createUpgrader(maxMessageBytes)
  let stopping = false

  async function admit(message: IncomingMessage, socket: Duplex, head: Buffer): Promise<UpgradeRefusal | null> {
    if (stopping) return refusalBecause('unavailable')
    const { headers } = message
    const unfit = checkOrigin(headers, allowedOrigins) ?? checkHandshake(headers)
    if (unfit) return unfit
    const search = new URL(message.url ?? '', 'http://corral').searchParams
    const twice = [...new Set(search.keys())].find((name) => search.getAll(name).length > 1)
    if (twice !== undefined) return invalidParameter(twice, 'is given more than once')
    const parsed = parameters.safeParse(Object.fromEntries(search))
    if (!parsed.success) return invalidParameter(...whatIsWrong(parsed.error))
    const { sessionIds } = parsed.data
    const offered = offeredTicket(headers, parsed.data.ticket)
    if ('refusal' in offered) return offered.refusal

    const admission = await admissionOf(headers, offered.ticket)
    if (!admission || !(await standings.holds(admission.standing))) return badTicket
    if (!(await admission.use())) return badTicket
    if (stopping) return refusalBecause('unavailable')
    const { standing } = admission
    const caller: Caller = { userId: standing.userId, botId: null, internal: false }
    webSockets.handleUpgrade(message, socket, head, (webSocket) => {
      const consumer = serveConsumer({
        ...{ socket: webSocket, caller, rows, changes, logger, timers: options.timers ?? defaultTimers },
        only: sessionIds ? new Set(sessionIds) : null,
      })
      consumers.add(consumer)
      const forget = standings.watch(standing, () => consumer.close('accessEnded'))
      void consumer.ended.then(() => {
        forget()
        consumers.delete(consumer)
      })
    })
    return null
  }

  async function admissionOf(headers: IncomingMessage['headers'], ticket: string | null): Promise<Admission | null> {
    const { 'x-internal-secret': secret, 'x-kilo-user-id': userId } = headers
    if (typeof secret === 'string' && typeof userId === 'string') {
      if (!sameSecret(secret, internalApiSecret)) return null
      return { standing: { userId, organizationId: null, credential: { kind: 'token' } }, use: async () => true }
    }
    const claims = ticket === null ? null : await webTickets.verify(ticket)
    return (
      claims && {
        standing: { userId: claims.userId, organizationId: null, credential: claims.credential },
        use: () => webTickets.consume(claims),
      }
    )
  }

  function refusalFor(error: unknown): UpgradeRefusal {
    logger.error({ error }, 'a consumer of the metadata feed could not be admitted')
    return refusalBecause(isConnectionError(error) ? 'unavailable' : 'internal')
  }

  return {
    handleUpgrade: answerUpgrades(admit, refusalFor),
    async close() {
      stopping = true
      for (const consumer of consumers) consumer.close('stopping')
      await Promise.all([...consumers].map((consumer) => consumer.ended))
    },
  }
}

const badTicket: UpgradeRefusal = {
  status: 401,
  error: 'ticket_refused',
  message: 'A ticket of POST /api/user/web-ticket is needed that is at most 60 s old and not used yet; get a new one.',
}

function whatIsWrong({ issues: [issue] }: z.ZodError): [parameter: string, message: string] {
  if (issue?.code === 'unrecognized_keys') return [issue.keys[0] ?? '', 'is no parameter of this address']
  return [String(issue?.path[0] ?? ''), issue?.message ?? 'is not valid']
}
