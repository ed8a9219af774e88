/**
 * What holds before any route looks at a body: it is JSON, and no larger than the limit. JSON alone, since a page of
 * another origin cannot send that without being asked about it first.
 */
import { CorralError, invalidInput, limits } from '@corral/protocol'
import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'

export const limitedBody: MiddlewareHandler = bodyLimit({
  maxSize: limits.bodyBytes,
  onError: () => {
    throw new CorralError('body_too_large')
  },
})

export const jsonBody: MiddlewareHandler = async (c, next) => {
  const mediaType = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (c.req.method === 'POST' && mediaType !== 'application/json') {
    throw invalidInput('Content-Type', 'must be application/json')
  }
  await next()
}

export async function readJson(c: Context): Promise<unknown> {
  try {
    return await c.req.json()
  } catch (error) {
    if (error instanceof SyntaxError) throw invalidInput('request', 'is not valid JSON')
    throw error
  }
}

/** The machine that connected: behind a proxy, the proxy. Null when the other side has gone meanwhile. */
export function addressOf(c: Context): string | null {
  const { incoming }: Partial<HttpBindings> = c.env ?? {}
  return incoming?.socket.remoteAddress ?? null
}
