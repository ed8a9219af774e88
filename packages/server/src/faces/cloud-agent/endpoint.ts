/** The router on HTTP. Whatever goes wrong here, in front of tRPC or inside it, the answer is tRPC's error as JSON. */
import { limits, refusals } from '@corral/protocol'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { Hono } from 'hono'
import type { Logger } from 'pino'
import type { Authenticate } from '../../identity/bearer.ts'
import { addressOf, jsonBody, limitedBody } from './border.ts'
import { refusalOf } from './refusal.ts'
import type { AppRouter } from './router.ts'
import { trpcError } from './wire.ts'

const endpoint = '/trpc'

export function trpcEndpoint(options: { router: AppRouter; authenticate: Authenticate; logger: Logger }): Hono {
  const { router, authenticate, logger } = options
  const app = new Hono().basePath(endpoint)

  app.onError((error, c) => {
    const path = c.req.path.slice(`${endpoint}/`.length)
    const refusal = refusalOf(error, { logger, path })
    const { httpStatus } = refusals[refusal.reason]
    return Response.json({ error: trpcError(refusal, { path, input: undefined }) }, { status: httpStatus })
  })

  app.all('/*', limitedBody, jsonBody, (c) =>
    fetchRequestHandler({
      endpoint,
      req: c.req.raw,
      router,
      maxBatchSize: limits.trpcBatchCalls,
      createContext: ({ req, info }) => ({
        authenticate: once(() => authenticate(req.headers, addressOf(c))),
        idempotencyKey: { value: req.headers.get('idempotency-key'), calls: info.calls.length },
      }),
      // What tRPC refuses before it knows the calls would have no type.
      responseMeta: ({ info }) => (info ? {} : { headers: new Headers({ 'content-type': 'application/json' }) }),
    }),
  )

  return app
}

/** The calls of one batch share one look at who calls. */
function once<T>(run: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined
  return () => {
    result ??= run()
    return result
  }
}
