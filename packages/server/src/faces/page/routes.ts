/**
 * The page's files. What its addresses show is decided in the browser, so each of them gets `index.html`; an address that
 * nobody knows gets it with 404, if it is a person who asks. Parts with a hash in their name never change.
 */
import { serveStatic } from '@hono/node-server/serve-static'
import { type Context, Hono, type MiddlewareHandler, type NotFoundHandler } from 'hono'
import type { BuiltPage } from './built.ts'
import { pageHeaders } from './headers.ts'

const addresses = ['/', '/new', '/cloud/chat', '/usage', '/settings', '/settings/*', '/sign-in']

export type PageFace = { app: Hono; notFound: NotFoundHandler }

export function pageFace({ folder, isBuilt }: BuiltPage): PageFace {
  const app = new Hono()
  if (!isBuilt) {
    for (const address of addresses) app.get(address, (c) => c.text(notBuilt, 503))
    return { app, notFound: noFile }
  }

  const indexFile = serveStatic({ root: folder, path: 'index.html', precompressed: true })
  const anyFile = serveStatic({ root: folder, precompressed: true })
  const index = async (c: Context, status: 200 | 404) =>
    withHeaders(await indexFile(c, nothingElse), { cacheControl: 'no-cache', status }) ?? noFile(c)
  const fileFor = (cacheControl: string) => async (c: Context) =>
    withHeaders(await anyFile(c, nothingElse), { cacheControl }) ?? noFile(c)

  for (const address of addresses) app.get(address, (c) => index(c, 200))
  app.get('/assets/*', fileFor('public, max-age=31536000, immutable'))
  app.get('/favicon.svg', fileFor('public, max-age=86400'))
  return { app, notFound: (c) => (isPerson(c) ? index(c, 404) : noFile(c)) }
}

function withHeaders(
  found: Awaited<ReturnType<MiddlewareHandler>>,
  { cacheControl, status }: { cacheControl: string; status?: number },
): Response | null {
  if (!found) return null
  const headers = new Headers(found.headers)
  headers.set('cache-control', cacheControl)
  for (const [name, value] of Object.entries(pageHeaders)) headers.set(name, value)
  return new Response(found.body, { status: status ?? found.status, headers })
}

const nothingElse = async () => {}
const noFile = (c: Context) => c.text('404 Not Found', 404)

/** Somebody who typed an address or followed a link, and no program. */
const isPerson = (c: Context) =>
  c.req.method === 'GET' &&
  c.req.header('sec-fetch-dest') === 'document' &&
  !/^\/(api|trpc|kilo|opencode)\b/.test(c.req.path)

const notBuilt =
  'The page is not built. Everything else works: the command line, the SDK and the API.\n' +
  'What to do: run "npm run setup" in Corral\'s folder, then start the server again.\n'
