/**
 * For whoever operates this server: whether it can work now, and its figures for Prometheus. Whether it lives at all is
 * `/health`, of the cloud-agent API.
 */
import { CorralError } from '@corral/protocol'
import { Hono } from 'hono'
import type { Logger } from 'pino'
import { sameSecret } from '../../identity/sameSecret.ts'
import { refusalOf } from '../cloud-agent/refusal.ts'
import { problem } from '../cloud-agent/wire.ts'

export function operatorFace(options: {
  /** Whether the server may write and the database answers. Settles within 2 s. */
  isReady(): Promise<boolean>
  metrics(): Promise<{ text: string; contentType: string }>
  internalApiSecret: string
  logger: Logger
}): Hono {
  const { isReady, metrics, internalApiSecret, logger } = options
  const app = new Hono()
  app.onError((error, c) => problem(refusalOf(error, { logger, path: c.req.path })))

  app.get('/ready', async (c) =>
    (await isReady()) ? c.json({ status: 'ok' }) : c.json({ status: 'unavailable' }, 503),
  )

  app.get('/metrics', async (c) => {
    // As a bearer, too, since that is what Prometheus can send out of a file.
    const given = c.req.header('x-internal-api-key') ?? /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    if (given === undefined || !sameSecret(given, internalApiSecret)) throw new CorralError('internal_key_required')
    const { text, contentType } = await metrics()
    return c.body(text, 200, { 'content-type': contentType, 'cache-control': 'no-store' })
  })

  return app
}
