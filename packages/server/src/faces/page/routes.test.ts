/** The page's files as browsers and programs get them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PageFace, pageFace } from './routes.ts'

let folder: string
let page: PageFace
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'corral-page-'))
  await mkdir(join(folder, 'assets'))
  await writeFile(join(folder, 'index.html'), '<title>Corral</title>')
  await writeFile(join(folder, 'assets/main-1a2b.js'), 'console.log(1)')
  await writeFile(join(folder, 'assets/main-1a2b.js.br'), 'in brotli')
  page = pageFace({ folder, isBuilt: true })
  page.app.notFound(page.notFound)
})
afterAll(() => rm(folder, { recursive: true }))

const get = (path: string, headers: Record<string, string> = {}) => page.app.request(path, { headers })
const person = { 'sec-fetch-dest': 'document' }

test.each(['/', '/new', '/cloud/chat?sessionId=agent_1', '/usage', '/settings', '/settings/keys', '/sign-in'])(
  '%s shows the page, which is asked for each time',
  async (path) => {
    const answer = await get(path)
    expect([answer.status, await answer.text()]).toEqual([200, '<title>Corral</title>'])
    expect(answer.headers.get('content-type')).toMatch(/^text\/html/)
    expect(answer.headers.get('cache-control')).toBe('no-cache')
  },
)

test('what has a hash in its name is kept for ever, and comes compressed to who takes it so', async () => {
  const plain = await get('/assets/main-1a2b.js')
  expect([plain.headers.get('content-encoding'), await plain.text()]).toEqual([null, 'console.log(1)'])
  const compressed = await get('/assets/main-1a2b.js', { 'accept-encoding': 'gzip, br' })
  expect([compressed.headers.get('content-encoding'), await compressed.text()]).toEqual(['br', 'in brotli'])
  expect(compressed.headers.get('vary')).toBe('Accept-Encoding')
  for (const { headers } of [plain, compressed]) {
    expect(headers.get('content-type')).toMatch(/javascript/)
    expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
  }
})

test('nothing but our own files runs in it, wherever it is shown', async () => {
  for (const answer of [await get('/'), await get('/nowhere', person), await get('/assets/main-1a2b.js')]) {
    expect(answer.headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    )
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('referrer-policy')).toBe('same-origin')
  }
})

test('an address that nobody knows shows the page to people, with 404, and nothing to programs', async () => {
  const shown = await get('/nowhere', person)
  expect([shown.status, await shown.text()]).toEqual([404, '<title>Corral</title>'])
  for (const answer of [await get('/nowhere'), await get('/api/nowhere', person), await get('/trpc/x', person)]) {
    expect([answer.status, await answer.text()]).toEqual([404, '404 Not Found'])
  }
  expect((await get('/assets/none.js')).status).toBe(404)
  expect((await get('/assets/../index.html')).status).toBe(404)
  expect((await get('/assets/%2e%2e/index.html')).status).toBe(404)
})

test('a page that is not built says what to do', async () => {
  const { app } = pageFace({ folder: '/nowhere', isBuilt: false })
  const answer = await app.request('/')
  expect(answer.status).toBe(503)
  expect(await answer.text()).toContain('npm run setup')
})
