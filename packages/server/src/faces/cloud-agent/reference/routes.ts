/** Where the reference is read: one page for people, one document for programs. For anybody; it says nothing of anyone. */
import { Hono } from 'hono'
import type { AppRouter } from '../router.ts'
import { openApiDocument } from './openapi.ts'
import { pagePolicy, referencePage } from './page.ts'
import { referenceOf } from './reference.ts'

export function referenceRoutes(options: { router: AppRouter; version: string }): Hono {
  const { router, version } = options
  let page: string | null = null
  let document: ReturnType<typeof openApiDocument> | null = null
  const app = new Hono()
  app.get('/openapi.json', (c) => {
    document ??= openApiDocument(version)
    return c.json(document)
  })
  app.get('/docs/api', (c) => {
    page ??= referencePage(referenceOf(router._def.procedures), version)
    c.header('content-security-policy', pagePolicy)
    c.header('x-content-type-options', 'nosniff')
    c.header('referrer-policy', 'no-referrer')
    return c.html(page)
  })
  return app
}
