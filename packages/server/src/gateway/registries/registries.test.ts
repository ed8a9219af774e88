import { createHash } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { networkSchema } from '@corral/protocol'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { bearer, type TestSession, testGateway } from '../testGateway.ts'
import { testRegistry } from './testRegistry.ts'

const upstream = await testRegistry()
const elsewhere = await testRegistry()
const at = (path: string) => upstream.url + path
const gateway = await testGateway({
  registries: {
    npm: { url: at('/npm') },
    pypi: { url: at('/pypi'), files: at('/pythonhosted') },
    crates: { url: at('/index'), files: at('/static') },
    go: { url: at('/goproxy'), checksums: at('/sums') },
  },
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
  await elsewhere[Symbol.asyncDispose]()
})
beforeEach(() => {
  upstream.files.clear()
  upstream.asked.length = 0
})

const door = 'http://127.0.0.1:4100/registry'
async function ask(
  session: TestSession,
  path: string,
  more: { method?: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'; headers?: Record<string, string> } = {},
) {
  const answer = await gateway.call(`/registry/${path}`, {
    method: more.method ?? 'GET',
    headers: { host: '127.0.0.1:4100', ...bearer(session.token), ...more.headers },
  })
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer.body) }
}

describe('addresses of packages become the door’s', () => {
  test('npm: in a document of a package, also where it is compressed, or a mirror hands on the public ones', async () => {
    const session = await gateway.session()
    const versions = {
      '1': { dist: { tarball: at('/npm/@a/b/-/b-1.tgz') } },
      '2': { dist: { tarball: 'https://registry.npmjs.org/@a/b/-/b-2.tgz' } },
    }
    const type = 'application/vnd.npm.install-v1+json'
    const body = gzipSync(JSON.stringify({ versions, homepage: 'https://example.com/' }))
    upstream.files.set('/npm/@a%2fb', { type, body, headers: { 'content-encoding': 'gzip', etag: '"e"' } })
    upstream.files.set('/npm/@a/b/-/b-1.tgz', { type: 'application/octet-stream', body: 'the package' })
    const { headers, body: answered } = await ask(session, 'npm/@a%2fb', { headers: { accept: type } })
    expect(JSON.parse(answered)).toEqual({
      versions: {
        '1': { dist: { tarball: `${door}/npm/@a/b/-/b-1.tgz` } },
        '2': { dist: { tarball: `${door}/npm/@a/b/-/b-2.tgz` } },
      },
      homepage: 'https://example.com/',
    })
    expect(headers).toMatchObject({ 'content-type': type, etag: '"e"' })
    expect(headers).not.toHaveProperty('content-encoding')
    expect(upstream.asked[0]?.headers.accept).toBe(type)
    expect((await ask(session, 'npm/@a/b/-/b-1.tgz')).body).toBe('the package')
  })

  test('PyPI: in a page of links, and in its JSON', async () => {
    const session = await gateway.session()
    const links = `<a href="${at('/pythonhosted/packages/x-1.whl')}#sha256=1">x</a><a href="https://files.pythonhosted.org/packages/x-2.whl">x</a>`
    upstream.files.set('/pypi/simple/x/', { type: 'text/html', body: links })
    upstream.files.set('/pythonhosted/packages/x-1.whl', { type: 'application/octet-stream', body: 'the wheel' })
    expect((await ask(session, 'pypi/simple/x/')).body).toBe(
      `<a href="${door}/pypi/files/packages/x-1.whl#sha256=1">x</a><a href="${door}/pypi/files/packages/x-2.whl">x</a>`,
    )
    expect((await ask(session, 'pypi/files/packages/x-1.whl')).body).toBe('the wheel')
  })

  test('crates: in the configuration of the index', async () => {
    const session = await gateway.session()
    const config = { dl: at('/static/crates/{crate}/{version}/download'), api: 'https://crates.io' }
    upstream.files.set('/index/config.json', { type: 'application/json', body: JSON.stringify(config) })
    upstream.files.set('/index/se/rd/serde', { type: 'text/plain', body: `{"name":"serde","vers":"1.0.0"}\n` })
    upstream.files.set('/static/crates/serde/1.0.0/download', { type: 'application/gzip', body: 'the crate' })
    expect(JSON.parse((await ask(session, 'crates/config.json')).body)).toEqual({
      dl: `${door}/crates/files/crates/{crate}/{version}/download`,
      api: 'https://crates.io',
    })
    expect((await ask(session, 'crates/se/rd/serde')).body).toContain('"vers":"1.0.0"')
    expect((await ask(session, 'crates/files/crates/serde/1.0.0/download')).body).toBe('the crate')
  })

  test('Go: modules and their checksums, in the forms that the go command asks for', async () => {
    const session = await gateway.session()
    const paths = [
      'github.com/!burnt!sushi/toml/@v/list',
      'github.com/!burnt!sushi/toml/@v/v1.4.0.info',
      'golang.org/x/text/@v/v0.3.0+incompatible.mod',
      'golang.org/x/text/@v/v0.3.0.zip',
      'golang.org/x/text/@latest',
    ]
    for (const path of paths) {
      upstream.files.set(`/goproxy/${path}`, { type: 'text/plain', body: path })
      expect((await ask(session, `go/${path}`)).body).toBe(path)
    }
    const { host } = new URL(upstream.url)
    upstream.files.set('/sums/lookup/golang.org/x/text@v0.3.0', { type: 'text/plain', body: 'h1:…' })
    expect((await ask(session, `go/sumdb/${host}/supported`)).status).toBe(200)
    expect((await ask(session, `go/sumdb/${host}/lookup/golang.org/x/text@v0.3.0`)).body).toBe('h1:…')
    expect((await ask(session, 'go/sumdb/sum.example.com/supported')).status).toBe(404)
  })
})

test('a download goes on byte for byte, with what describes it', async () => {
  const session = await gateway.session()
  const body = Buffer.from([0x1f, 0x8b, 0, 255, ...createHash('sha256').update('x').digest()])
  const headers = { etag: '"1"', 'content-range': 'bytes 0-35/36', 'cache-control': 'max-age=60', 'set-cookie': 'a=b' }
  upstream.files.set('/npm/x/-/x-1.tgz', { type: 'application/octet-stream', status: 206, body, headers })
  const answer = await gateway.call('/registry/npm/x/-/x-1.tgz', {
    method: 'GET',
    headers: { ...bearer(session.token), range: 'bytes=0-35', cookie: 'c', 'if-none-match': '"0"' },
  })
  expect(Buffer.from(await answer.body.arrayBuffer())).toEqual(body)
  const { 'set-cookie': kept, ...shown } = headers
  expect(answer).toMatchObject({ statusCode: 206, headers: { ...shown, 'content-length': '36' } })
  expect(answer.headers).not.toHaveProperty('set-cookie', kept)
  expect(upstream.asked[0]?.headers).toMatchObject({ range: 'bytes=0-35', 'if-none-match': '"0"' })
  expect(upstream.asked[0]?.headers).not.toHaveProperty('authorization')
  expect(upstream.asked[0]?.headers).not.toHaveProperty('cookie')
})

test('what a registry says of a package that is not there, or of too many calls, is passed on', async () => {
  const session = await gateway.session()
  upstream.files.set('/npm/busy', { type: 'text/plain', status: 429, body: 'later', headers: { 'retry-after': '7' } })
  expect(await ask(session, 'npm/nothing')).toMatchObject({ status: 404, body: 'no such package' })
  expect(await ask(session, 'npm/busy')).toMatchObject({ status: 429, headers: { 'retry-after': '7' } })
  expect(await ask(session, 'npm/nothing', { method: 'HEAD' })).toMatchObject({ status: 404, body: '' })
})

describe('refused is', () => {
  test.each(['npm/x', 'npm/-/user/org.couchdb.user:x', 'pypi/legacy/', 'crates/api/v1/crates/new', 'go/x'])(
    'to write anything, at %s',
    async (path) => {
      const session = await gateway.session()
      for (const method of ['PUT', 'POST', 'DELETE'] as const) {
        const { status, body } = await ask(session, path, { method })
        expect([status, body]).toEqual([405, expect.stringContaining('nothing can be published')])
      }
      expect(upstream.asked).toEqual([])
    },
  )

  test('who has no token, one that is unknown, or one that was replaced', async () => {
    const session = await gateway.session()
    for (const headers of [{}, bearer('crl_unknown')]) {
      const answer = await gateway.call('/registry/npm/x', { method: 'GET', headers })
      expect(answer.statusCode).toBe(401)
      await answer.body.dump()
    }
    await gateway.database.pool.query('delete from gateway_token where session_id = $1', [session.id.slice(6)])
    expect((await ask(session, 'npm/x')).status).toBe(401)
    expect(upstream.asked).toEqual([])
  })

  test('a registry that is away, with a sentence', async () => {
    await using other = await testGateway({ registries: { npm: { url: 'http://127.0.0.1:9' } } })
    const session = await other.session()
    const answer = await other.call('/registry/npm/x', { headers: bearer(session.token) })
    expect([answer.statusCode, await text(answer.body)]).toEqual([502, expect.stringContaining('could not be reached')])
  })
})

describe('a redirect', () => {
  test('of a registry is followed', async () => {
    const session = await gateway.session()
    upstream.files.set('/npm/x/-/x-1.tgz', {
      type: 'text/plain',
      status: 302,
      body: '',
      headers: { location: '/cdn/x' },
    })
    upstream.files.set('/cdn/x', { type: 'application/octet-stream', body: 'from the mirror’s store' })
    expect((await ask(session, 'npm/x/-/x-1.tgz')).body).toBe('from the mirror’s store')
  })

  test('leads to no private address, and not in a circle', async () => {
    const session = await gateway.session()
    upstream.files.set('/npm/private', {
      type: 'text/plain',
      status: 302,
      body: '',
      headers: { location: elsewhere.url },
    })
    upstream.files.set('/npm/round', { type: 'text/plain', status: 302, body: '', headers: { location: '/npm/round' } })
    expect((await ask(session, 'npm/private')).status).toBe(403)
    expect(elsewhere.asked).toEqual([])
    expect((await ask(session, 'npm/round')).status).toBe(502)
    expect(upstream.asked.filter(({ path }) => path === '/npm/round')).toHaveLength(6)
  })
})

test('a session without a network has its registries, and one whose network is off in all has none; both are noted', async () => {
  upstream.files.set('/npm/x', { type: 'application/json', body: '{}' })
  const off = await gateway.session({ network: networkSchema.parse({ mode: 'off' }) })
  expect((await ask(off, 'npm/x')).status).toBe(200)
  const offAll = await gateway.session({ network: networkSchema.parse({ mode: 'off-all' }) })
  expect(await ask(offAll, 'npm/x')).toMatchObject({ status: 403, body: expect.stringContaining('off-all') })
  expect(upstream.asked).toHaveLength(1)
  const port = Number(new URL(upstream.url).port)
  await expect
    .poll(async () => [...(await gateway.visits(off)), ...(await gateway.visits(offAll))], { timeout: 5_000 })
    .toEqual([
      expect.objectContaining({ host: '127.0.0.1', port, refused: '', receivedBytes: 2 }),
      expect.objectContaining({ host: '127.0.0.1', port, refused: 'off', receivedBytes: 0 }),
    ])
})
