/**
 * Sessions of agents that run elsewhere, pushed here, and what is read of any session: rows, exports, pages of messages,
 * shared links. Each route asks in the same order: who calls, with which scope, whether the id is one, whose it is.
 * Source: 31-ingest-and-facade (a).
 */
import {
  agentSessionIdSchema,
  CorralError,
  createPushedSessionInput,
  exportInput,
  limits,
  listRowsInput,
  messagePageInput,
  pushedSessionIdSchema,
  pushInput,
  renameNotifyInput,
  sessionIdSchema,
  titleInput,
} from '@corral/protocol'
import { type Context, Hono } from 'hono'
import type { Logger } from 'pino'
import { z } from 'zod'
import { authorize } from '../../identity/authorize.ts'
import type { Authenticated, Caller } from '../../identity/caller.ts'
import type { Identity } from '../../identity/identity.ts'
import { sameSecret } from '../../identity/sameSecret.ts'
import type { Recordings, SessionName } from '../../sessions/recorded/recordings.ts'
import type { Messages } from '../../sessions/transcript/messages.ts'
import { addressOf, jsonBody, limitedBody, readJson } from '../cloud-agent/border.ts'
import { parseInput, refusalOf } from '../cloud-agent/refusal.ts'
import { createPushBodies } from './body.ts'
import { ingestProblem } from './problem.ts'
import { createPushRate } from './pushRate.ts'
import { placeOf, sharedHeaders, sharedPieces } from './shared.ts'
import { streamedExport } from './streamed.ts'

export function ingestFace(options: {
  recordings: Recordings
  messages: Pick<Messages, 'all'>
  identity: Identity
  internalApiSecret: string
  /** Null: as the caller has it. */
  publicUrl: string | null
  logger: Logger
}): Hono {
  const { recordings, identity, logger } = options
  const bodies = createPushBodies()
  const rate = createPushRate()
  const app = new Hono()

  app.onError((error, c) => ingestProblem(refusalOf(error, { logger, path: c.req.path })))

  app.get('/api/user', async (c) => {
    const caller = await callerOf(c, 'sessions:read')
    noQuery(c)
    return c.json(await recordings.user(caller))
  })

  app.post('/api/user/web-ticket', limitedBody, async (c) => {
    const { userId, proof } = await callerOf(c, 'sessions:read')
    noQuery(c)
    return c.json(await identity.webTickets.issue({ userId, credential: proof.credential }))
  })

  app.get('/api/sessions', async (c) => {
    const caller = await callerOf(c, 'sessions:read')
    return c.json(await recordings.rows.list(caller, parseInput(listRowsInput, c.req.query())))
  })

  app.post('/api/session', limitedBody, jsonBody, async (c) => {
    const caller = await callerOf(c, 'sessions:write')
    const { sessionId } = parseInput(createPushedSessionInput, await readJson(c))
    const id = pushedSessionIdSchema.safeParse(sessionId)
    if (!id.success) throw new CorralError('invalid_session_id')
    await recordings.create(caller, id.data)
    return c.json({ id: id.data, ingestPath: `/api/session/${id.data}/ingest` })
  })

  app.post('/api/session/:id/ingest', jsonBody, async (c) => {
    const caller = await callerOf(c, 'sessions:write')
    const id = pushedSessionIdSchema.safeParse(c.req.param('id'))
    if (!id.success) throw new CorralError('invalid_session_id')
    const { v } = parseInput(pushQuery, c.req.query())
    const waitMs = rate.take(caller.userId)
    if (waitMs > 0) return tooMany(waitMs)
    const push = await recordings.begin(caller, id.data, v)
    const { data } = parseInput(pushInput, await bodies.read(c.req.raw))
    if (data.length > limits.pushItems) {
      throw new CorralError('body_too_large', { sentence: 'A push may have at most 10,000 items; send it in parts.' })
    }
    return c.json(await recordings.apply(push, data))
  })

  app.get('/api/session/:id', async (c) => {
    const caller = await callerOf(c, 'sessions:read')
    const which = namedId(c)
    noQuery(c)
    return c.json(await recordings.rows.get(caller, which))
  })

  app.get('/api/session/:id/export', async (c) => {
    const caller = await callerOf(c, 'sessions:read')
    const which = namedId(c)
    const { after } = parseInput(exportInput, c.req.query())
    return streamedExport(await recordings.export(caller, which, after), logger)
  })

  app.get('/api/session/:id/messages', async (c) => {
    const caller = await callerOf(c, 'sessions:read')
    const which = namedId(c)
    const page = parseInput(messagePageInput, c.req.query())
    const { agentSessionId, ...history } = await recordings.page(caller, which, page)
    return c.json({ success: true, kiloSessionId: agentSessionId, history })
  })

  app.post('/api/session/:id/share', limitedBody, async (c) => {
    const token = await recordings.share(await callerOf(c, 'sessions:write'), namedId(c))
    const url = new URL(`/session/${token}`, options.publicUrl ?? c.req.url).href
    return c.json({ success: true, share_token: token, public_id: token, url })
  })

  app.post('/api/session/:id/unshare', limitedBody, async (c) => {
    await recordings.unshare(await callerOf(c, 'sessions:write'), namedId(c))
    return c.json({ success: true })
  })

  app.post('/api/session/:id/title', limitedBody, jsonBody, async (c) => {
    const caller = await callerOf(c, 'sessions:write')
    const which = namedId(c)
    return c.json(await recordings.setTitle(caller, which, parseInput(titleInput, await readJson(c))))
  })

  app.post('/api/session/:id/rename-notify', limitedBody, jsonBody, async (c) => {
    const caller = await callerOf(c, 'sessions:write')
    const which = namedId(c)
    const { title } = parseInput(renameNotifyInput, await readJson(c))
    return c.json({ delivered: await recordings.notifyRenamed(caller, which, title) })
  })

  app.delete('/api/session/:id', async (c) => {
    await recordings.remove(await callerOf(c, 'sessions:write'), namedId(c))
    return c.json({ success: true })
  })

  app.get('/internal/session/:id/export', async (c) => {
    if (!sameSecret(c.req.header('x-internal-secret') ?? '', options.internalApiSecret)) {
      throw new CorralError('internal_key_required', { sentence: 'This route needs a valid X-Internal-Secret.' })
    }
    const userId = c.req.header('x-kilo-user-id')
    const which = namedId(c)
    const { after } = parseInput(exportInput, c.req.query())
    if (userId === undefined) throw new CorralError('session_not_found')
    const caller: Caller = { userId, botId: null, internal: true }
    return streamedExport(await recordings.export(caller, which, after), logger)
  })

  app.get('/session/:shareToken', async (c) => {
    const shared = await recordings.shared(c.req.param('shareToken'))
    const pieces = sharedPieces(
      shared,
      { info: shared.info, place: placeOf(shared, shared.info) },
      options.messages.all(shared.session, shared.seq),
    )
    const response = streamedExport({ seq: shared.seq, pieces }, logger)
    for (const [name, value] of Object.entries(sharedHeaders)) response.headers.set(name, value)
    return response
  })

  app.get('/session/:shareToken/metadata', async (c) => {
    const { session, ownerName } = await recordings.shared(c.req.param('shareToken'))
    return c.json({ title: session.title, ownerName }, 200, sharedHeaders)
  })

  async function callerOf(c: Context, scope: 'sessions:read' | 'sessions:write'): Promise<Authenticated> {
    const caller = await identity.authenticate(c.req.raw.headers, addressOf(c))
    authorize(caller, { scope })
    return caller
  }

  return app
}

/** Its form is looked at before anything else of it: `ses_…`, or our own id of the session. */
function namedId(c: Context): SessionName {
  const id = c.req.param('id') ?? ''
  const sessionId = sessionIdSchema.safeParse(id)
  if (sessionId.success) return { sessionId: sessionId.data }
  const agentSessionId = agentSessionIdSchema.safeParse(id)
  if (!agentSessionId.success || !agentIdForms.test(id)) throw new CorralError('invalid_session_id')
  return { agentSessionId: agentSessionId.data }
}

/** Sessions of an older time have the 32 digits of a UUID. */
const agentIdForms = /^ses_([0-9A-Za-z]{26}|[0-9a-f]{32})$/

/** The form of what is pushed. A client of a later one is taken for one of ours, and one that names none for the first. */
const pushQuery = z.strictObject({ v: z.coerce.number().int().nonnegative().default(0) })

function noQuery(c: Context): void {
  parseInput(z.strictObject({}), c.req.query())
}

function tooMany(waitMs: number): Response {
  const response = ingestProblem(new CorralError('too_many_pushes'))
  response.headers.set('retry-after', String(Math.ceil(waitMs / 1_000)))
  return response
}
