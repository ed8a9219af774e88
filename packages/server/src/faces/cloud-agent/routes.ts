/**
 * The cloud-agent API on HTTP: tRPC at `/trpc`, and the routes beside it. Routes keep the same order of guards as
 * procedures, and the same refusals, as problem+json.
 */
import {
  attachmentLimits,
  CorralError,
  contentHashSchema,
  restPrepareInput,
  type SessionId,
  streamTicketInput,
} from '@corral/protocol'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { Budgets } from '../../credits/budgets.ts'
import { authorize, type Demand } from '../../identity/authorize.ts'
import type { Authenticated } from '../../identity/caller.ts'
import type { Identity } from '../../identity/identity.ts'
import type { TicketPurpose } from '../../identity/tickets.ts'
import type { Log } from '../../log/log.ts'
import type { Uploads } from '../../sessions/attachments/uploads.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import { addressOf, jsonBody, limitedBody, readJson } from './border.ts'
import type { CallbackProcedures } from './callbackProcedures.ts'
import { trpcEndpoint } from './endpoint.ts'
import { withClientId } from './idempotencyKey.ts'
import type { OverviewProcedures } from './overviewProcedures.ts'
import { referenceRoutes } from './reference/routes.ts'
import { parseInput, refusalOf } from './refusal.ts'
import { createRouter, type Health } from './router.ts'
import type { TerminalProcedures } from './terminalProcedures.ts'
import { problem } from './wire.ts'

const limitedUpload = bodyLimit({
  maxSize: attachmentLimits.bytes,
  onError: () => {
    throw new CorralError('body_too_large', { sentence: 'An attachment may have at most 5 MiB.' })
  },
})

export function cloudAgentFace(options: {
  sessions: Sessions
  callbacks: CallbackProcedures['callbacks']
  budgets: Budgets
  uploads: Uploads
  installation: OverviewProcedures['installation']
  terminals: TerminalProcedures
  identity: Identity
  /** For envelopes of `encryptedSecrets`. */
  secretsKey: { publicKey: string; keyId: string }
  logger: Logger
  log: Pick<Log, 'follow' | 'replay' | 'lastSeq'>
  version: string
}): Hono {
  const { sessions, callbacks, budgets, installation, terminals, identity, log, logger, version } = options
  const health = (): Health => ({ status: 'ok', timestamp: Date.now(), version })
  const app = new Hono()

  app.onError((error, c) => problem(refusalOf(error, { logger, path: c.req.path })))

  app.get('/health', (c) => c.json(health()))
  const router = createRouter({ sessions, callbacks, budgets, installation, terminals, identity, log, health, logger })
  app.route('/', trpcEndpoint({ router, identity, sessions, logger }))

  app.route('/', referenceRoutes({ router, version }))

  // Before what demands JSON of all others: the bytes as they are.
  app.put('/api/cloud-agent/attachments/:sha256', limitedUpload, async (c) => {
    const caller = await callerOf(c, { scope: 'sessions:write' })
    parseInput(z.strictObject({}), c.req.query())
    const { sha256 } = parseInput(z.object({ sha256: contentHashSchema }), c.req.param())
    return c.json(await options.uploads.add(caller, sha256, Buffer.from(await c.req.arrayBuffer())))
  })

  app.use('/api/cloud-agent/*', limitedBody, jsonBody)

  app.post('/api/cloud-agent/sessions/prepare', async (c) => {
    const caller = await callerOf(c, { scope: 'sessions:write' })
    // The answer's ticket opens the log.
    authorize(caller, { scope: 'sessions:read' })
    const idempotencyKey = { value: c.req.header('idempotency-key') ?? null, calls: 1 }
    const body = withClientId(parseInput(restPrepareInput, await readJson(c)), idempotencyKey)
    const { organizationId, kilocodeOrganizationId = organizationId, ...input } = body
    const pair = await sessions.prepare(caller, { ...input, kilocodeOrganizationId })
    return c.json({ ...pair, ...(await issueTicket(caller, pair.cloudAgentSessionId, { purpose: 'stream' })) })
  })

  app.post('/api/cloud-agent/sessions/stream-ticket', async (c) => {
    const caller = await callerOf(c, { scope: 'sessions:read' })
    const { cloudAgentSessionId, organizationId, ptyId } = parseInput(streamTicketInput, await readJson(c))
    // Who looks at a terminal also types.
    if (ptyId) authorize(caller, { scope: 'sessions:write' })
    const purpose: TicketPurpose = ptyId ? { purpose: 'terminal', ptyId } : { purpose: 'stream' }
    return c.json(await issueTicket(caller, cloudAgentSessionId, purpose, organizationId))
  })

  app.get('/api/cloud-agent/secrets-public-key', async (c) => {
    await callerOf(c, { scope: 'sessions:write' })
    parseInput(z.strictObject({}), c.req.query())
    return c.json(options.secretsKey)
  })

  async function callerOf(c: Context, demand: Demand): Promise<Authenticated> {
    const caller = await identity.authenticate(c.req.raw.headers, addressOf(c))
    authorize(caller, demand)
    return caller
  }

  /** An organization that is given must be the session's. */
  async function issueTicket(caller: Authenticated, id: SessionId, purpose: TicketPurpose, organizationId?: string) {
    const session = await sessions.access(caller, id)
    if (organizationId !== undefined && organizationId !== session.organizationId) {
      throw new CorralError('session_not_found')
    }
    return identity.tickets.issue({
      ...purpose,
      userId: caller.userId,
      kiloSessionId: session.agentSessionId,
      cloudAgentSessionId: session.id,
      organizationId: session.organizationId,
      credential: caller.proof.credential,
    })
  }

  return app
}
