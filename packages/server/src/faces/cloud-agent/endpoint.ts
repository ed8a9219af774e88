/**
 * The router on HTTP. Whatever goes wrong here, in front of tRPC or inside it, the answer is tRPC's error as JSON.
 * Streams are admitted in front of it, since what it refuses of one would be a stream already.
 */
import { invalidInput, limits, refusals } from '@corral/protocol'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { type Context, Hono } from 'hono'
import type { Logger } from 'pino'
import type { Authenticated } from '../../identity/caller.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import { addressOf, jsonBody, limitedBody } from './border.ts'
import { admitStream, deprecatedNames } from './deprecatedNames.ts'
import type { AdmittedStream } from './executionStream.ts'
import { refusalOf } from './refusal.ts'
import type { AppRouter } from './router.ts'
import { headersOf, trpcError } from './wire.ts'

const endpoint = '/trpc'

export function trpcEndpoint(options: {
  router: AppRouter
  identity: Pick<Identity, 'authenticate'>
  sessions: Sessions
  logger: Logger
}): Hono {
  const { router, identity, sessions, logger } = options
  const app = new Hono().basePath(endpoint)

  app.onError((error, c) => {
    const path = c.req.path.slice(`${endpoint}/`.length)
    const refusal = refusalOf(error, { logger, path })
    const { httpStatus } = refusals[refusal.reason]
    const shape = trpcError(refusal, { path, input: undefined })
    return Response.json({ error: shape }, { status: httpStatus, headers: headersOf(refusal) })
  })

  function answer(c: Context, authenticate: () => Promise<Authenticated>, stream: AdmittedStream | null) {
    return fetchRequestHandler({
      endpoint,
      req: c.req.raw,
      router,
      maxBatchSize: limits.trpcBatchCalls,
      createContext: ({ req, info }) => ({
        authenticate,
        idempotencyKey: { value: req.headers.get('idempotency-key'), calls: info.calls.length },
        stream,
      }),
      responseMeta: ({ info }) => ({
        headers: new Headers({
          // What tRPC refuses before it knows the calls would have no type.
          ...(info ? {} : { 'content-type': 'application/json' }),
          ...(stream ? { deprecation: 'true' } : {}),
        }),
      }),
    })
  }

  /** The calls of one request share one look at who calls. */
  const authenticating = (c: Context) => once(() => identity.authenticate(c.req.raw.headers, addressOf(c)))

  for (const name of deprecatedNames) {
    app.get(`/${name}`, async (c) => {
      c.header('deprecation', 'true')
      const authenticate = authenticating(c)
      const stream = await admitStream(sessions, await authenticate(), {
        name,
        search: new URL(c.req.url).searchParams,
        lastEventId: c.req.header('last-event-id'),
        idempotencyKey: c.req.header('idempotency-key') ?? null,
      })
      return answer(c, authenticate, stream)
    })
    app.all(`/${name}`, () => {
      throw invalidInput('request', 'must be a GET, of this one stream')
    })
  }
  app.all('/*', limitedBody, jsonBody, (c) => answer(c, authenticating(c), null))

  return app
}

function once<T>(run: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined
  return () => {
    result ??= run()
    return result
  }
}
