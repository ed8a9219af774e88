/** The package managers themselves, as they run in a sandbox, against registries of this file. */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { testGateway } from '../testGateway.ts'
import { isInstalled, run, testDoor, testRegistry } from './testRegistry.ts'

const upstream = await testRegistry()
const at = (path: string) => upstream.url + path
const gateway = await testGateway({
  registries: {
    npm: { url: at('/npm') },
    pypi: { url: at('/pypi'), files: at('/pythonhosted') },
    crates: { url: at('/index'), files: at('/static') },
  },
})
const door = await testDoor(gateway.settings.socket, (await gateway.session()).token)
const folder = await mkdtemp(join(tmpdir(), 'corral-registries-'))
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await door[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

async function home(name: string, files: Record<string, string>): Promise<string> {
  const place = join(folder, name)
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(place, path, '..'), { recursive: true })
    await writeFile(join(place, path), content)
  }
  return place
}

/** A file of the registry that `make` wrote. */
async function serve(path: string, file: string): Promise<{ sha1: string; sha256: string; sha512: string }> {
  const body = await readFile(file)
  upstream.files.set(path, { type: 'application/octet-stream', body })
  const hash = (name: string, form: 'hex' | 'base64') => createHash(name).update(body).digest(form)
  return { sha1: hash('sha1', 'hex'), sha256: hash('sha256', 'hex'), sha512: hash('sha512', 'base64') }
}

test.skipIf(!(await isInstalled('npm', '--version')))(
  'npm installs, from a lock file, too, and publishes nothing',
  async () => {
    const made = await home('npm-package', { 'package/package.json': '{"name":"hello","version":"1.0.0"}' })
    await run('tar', ['-czf', 'hello.tgz', 'package'], { cwd: made })
    const { sha512, sha1 } = await serve('/npm/hello/-/hello-1.0.0.tgz', join(made, 'hello.tgz'))
    const dist = { tarball: at('/npm/hello/-/hello-1.0.0.tgz'), integrity: `sha512-${sha512}`, shasum: sha1 }
    const body = {
      name: 'hello',
      'dist-tags': { latest: '1.0.0' },
      versions: { '1.0.0': { name: 'hello', version: '1.0.0', dist } },
    }
    upstream.files.set('/npm/hello', { type: 'application/json', body: JSON.stringify(body) })

    const cwd = await home('npm', { 'package.json': '{"name":"app","version":"1.0.0"}' })
    const env = {
      npm_config_registry: `${door.url}/registry/npm/`,
      npm_config_omit_lockfile_registry_resolved: 'true',
      npm_config_audit: 'false',
      npm_config_update_notifier: 'false',
    }
    expect(await run('npm', ['install', 'hello'], { cwd, env })).toMatchObject({ ok: true })
    const lock = await readFile(join(cwd, 'package-lock.json'), 'utf8')
    expect(lock).toContain(dist.integrity)
    expect(lock).not.toContain('127.0.0.1')
    await rm(join(cwd, 'node_modules'), { recursive: true })
    await rm(join(cwd, '.npm'), { recursive: true })
    expect(await run('npm', ['ci'], { cwd, env })).toMatchObject({ ok: true })
    expect(await readFile(join(cwd, 'node_modules/hello/package.json'), 'utf8')).toContain('"hello"')

    const { host } = new URL(door.url)
    const own = await home('npm-publish', {
      'package.json': '{"name":"app","version":"1.0.0"}',
      '.npmrc': `//${host}/registry/npm/:_authToken=x`,
    })
    const published = await run('npm', ['publish'], { cwd: own, env })
    expect(published).toMatchObject({ ok: false, said: expect.stringContaining('nothing can be published') })
    expect(upstream.asked.every(({ method }) => method === 'GET')).toBe(true)
  },
)

test.skipIf(!(await isInstalled('python3', '-m', 'pip', '--version')))('pip installs a wheel', async () => {
  const info = 'hello-1.0.0.dist-info'
  const made = await home('wheel', {
    'hello.py': 'print("hello")\n',
    [`${info}/METADATA`]: 'Metadata-Version: 2.1\nName: hello\nVersion: 1.0.0\n',
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    [`${info}/RECORD`]: 'hello.py,,\n',
  })
  const name = 'hello-1.0.0-py3-none-any.whl'
  await run('python3', ['-m', 'zipfile', '-c', name, 'hello.py', info], { cwd: made })
  const { sha256 } = await serve(`/pythonhosted/packages/${name}`, join(made, name))
  const link = `<a href="${at(`/pythonhosted/packages/${name}`)}#sha256=${sha256}">${name}</a>`
  upstream.files.set('/pypi/simple/hello/', {
    type: 'text/html',
    body: `<!DOCTYPE html><html><body>${link}</body></html>`,
  })

  const cwd = await home('pip', { '.keep': '' })
  const env = { PIP_INDEX_URL: `${door.url}/registry/pypi/simple/`, PIP_DISABLE_PIP_VERSION_CHECK: '1' }
  const installed = await run('python3', ['-m', 'pip', 'install', '--target', 'site', 'hello'], { cwd, env })
  expect(installed).toMatchObject({ ok: true })
  expect(await readFile(join(cwd, 'site/hello.py'), 'utf8')).toContain('hello')
})

test.skipIf(!(await isInstalled('cargo', '--version')))('Cargo fetches a crate', async () => {
  const made = await home('crate', {
    'hello-1.0.0/Cargo.toml': '[package]\nname = "hello"\nversion = "1.0.0"\nedition = "2021"\n',
    'hello-1.0.0/src/lib.rs': 'pub fn hello() {}\n',
  })
  await run('tar', ['-czf', 'hello.crate', 'hello-1.0.0'], { cwd: made })
  const { sha256 } = await serve('/static/crates/hello/1.0.0/download', join(made, 'hello.crate'))
  const config = { dl: at('/static/crates'), api: 'https://crates.io' }
  upstream.files.set('/index/config.json', { type: 'application/json', body: JSON.stringify(config) })
  const entry = { name: 'hello', vers: '1.0.0', deps: [], cksum: sha256, features: {}, yanked: false }
  upstream.files.set('/index/he/ll/hello', { type: 'text/plain', body: `${JSON.stringify(entry)}\n` })

  const source = `[source.crates-io]\nreplace-with = "corral"\n[source.corral]\nregistry = "sparse+${door.url}/registry/crates/"\n`
  const cwd = await home('cargo', {
    '.cargo/config.toml': source,
    'Cargo.toml': '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nhello = "1"\n',
    'src/main.rs': 'fn main() {}\n',
  })
  expect(await run('cargo', ['fetch'], { cwd })).toMatchObject({ ok: true })
  const lock = await readFile(join(cwd, 'Cargo.lock'), 'utf8')
  expect(lock).toContain('registry+https://github.com/rust-lang/crates.io-index')
  expect(lock).not.toContain('127.0.0.1')
})
