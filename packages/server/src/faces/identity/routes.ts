/** Signing in and out on HTTP, for the page. What is not open below this path looks like what is not there. */
import { Hono } from 'hono'
import type { Logger } from 'pino'
import { type SignIn, signInPath } from '../../identity/signIn.ts'
import { addressOf, jsonBody, limitedBody } from '../cloud-agent/border.ts'
import { refusalOf } from '../cloud-agent/refusal.ts'
import { problem } from '../cloud-agent/wire.ts'

export function identityFace({ signIn, logger }: { signIn: SignIn; logger: Logger }): Hono {
  const app = new Hono()
  app.onError((error, c) => problem(refusalOf(error, { logger, path: c.req.path })))
  app.all(
    `${signInPath}/*`,
    limitedBody,
    jsonBody,
    async (c) => (await signIn.handle(c.req.raw, addressOf(c))) ?? c.notFound(),
  )
  return app
}
