import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startGithub } from '../testing/codeHosts/github.ts'
import { doorUrl } from './doorUrl.ts'
import { bearer, type TestSession, testGateway } from './testGateway.ts'
import { gitWith, makeRepository } from './testGit.ts'

const folder = await mkdtemp(join(tmpdir(), 'corral-credentials-'))
const here = gitWith({ home: folder })
for (const path of ['acme/app', 'acme/sibling', 'ana/notes']) {
  await makeRepository(here, join(folder, 'host', `${path}.git`))
}
const pemOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const github = await startGithub({ root: join(folder, 'host'), app: { id: '77', publicKey } })
const gateway = await testGateway({
  gitHosts: { 'github.com': { url: github.url, api: github.api } },
  githubApp: { appId: '77', privateKey: pemOf(privateKey) },
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await github[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const sql = (text: string, values: unknown[] = []) => gateway.database.pool.query(text, values)
await sql(
  `insert into "user" (id, name, email) values ('ana', 'Ana', 'ana@example.com'), ('bo', 'Bo', 'bo@example.com')`,
)
await sql(`insert into organization (id, name, slug, created_at) values
  ('acme', 'Acme', 'acme', now()), ('rival', 'Rival', 'rival', now())`)

/** GitHub's answers are remembered by the gateway, so each test has installations of its own. */
let installation = 1000
beforeEach(async () => {
  installation += 1
  github.installations.set(installation, { repositories: ['acme/app', 'acme/sibling'] })
  await sql(`insert into member (id, organization_id, user_id, role, created_at) values
    ('m1', 'acme', 'ana', 'member', now()), ('m2', 'rival', 'bo', 'member', now())`)
  await gateway.start()
})
afterEach(async () => {
  github.installations.clear()
  github.tokens.clear()
  github.requests.length = 0
  await sql('delete from github_installation')
  await sql('delete from token_cache')
  await sql('delete from member')
})

const link = (owner: { organizationId?: string; userId?: string }, id = installation) =>
  sql('insert into github_installation (installation_id, organization_id, user_id) values ($1, $2, $3)', [
    id,
    owner.organizationId ?? null,
    owner.userId ?? null,
  ])

const app = 'https://github.com/acme/app'
const session = (of: Parameters<typeof gateway.session>[0]) =>
  gateway.session({ repository: app, organizationId: 'acme', userId: 'ana', ...of })

async function reads({ token }: TestSession, repository = app): Promise<true | string> {
  const { ok, said } = await gitWith({ home: folder, token })(
    folder,
    'ls-remote',
    gateway.doorUrl + doorUrl(repository),
  )
  return ok || said
}
const minted = () => github.requests.filter(({ path }) => path.endsWith('/access_tokens')).length
const absent = expect.stringContaining('corral: github.com has no such repository, or it may not be reached')

describe('a token of the GitHub App', () => {
  test('opens a repository of an installation that is linked to the session’s organization', async () => {
    await link({ organizationId: 'acme' })
    expect(await reads(await session({}))).toBe(true)
    expect(minted()).toBe(1)
  })

  test('is not made for an installation that is linked to nobody, or to another organization', async () => {
    expect(await reads(await session({}))).toEqual(absent)
    await link({ organizationId: 'rival' })
    expect(await reads(await session({}))).toEqual(absent)
    expect(await reads(await session({ organizationId: 'rival', userId: 'bo' }))).toBe(true)
    expect(minted()).toBe(1)
  })

  test('opens nothing when the organization’s installation does not have the repository', async () => {
    await link({ organizationId: 'acme' })
    expect(
      await reads(await session({ repository: 'https://github.com/ana/notes' }), 'https://github.com/ana/notes'),
    ).toEqual(absent)
  })

  test('ends with the membership, and with the link, from the next call on', async () => {
    await link({ organizationId: 'acme' })
    const mine = await session({})
    expect(await reads(mine)).toBe(true)
    await sql(`delete from member where user_id = 'ana'`)
    expect(await reads(mine)).toEqual(absent)
    await sql(
      `insert into member (id, organization_id, user_id, role, created_at) values ('m1', 'acme', 'ana', 'owner', now())`,
    )
    expect(await reads(mine)).toBe(true)
    await sql('delete from github_installation')
    expect(await reads(mine)).toEqual(absent)
    expect(minted()).toBe(1)
  })

  test('opens a personal session’s repository by the user’s own link, not by those of organizations', async () => {
    await link({ organizationId: 'acme' })
    const personal = await session({ organizationId: null })
    expect(await reads(personal)).toEqual(absent)
    await link({ userId: 'ana' })
    expect(await reads(personal)).toBe(true)
    expect(await reads(await session({ organizationId: null, userId: 'bo' }))).toEqual(absent)
  })

  test('is asked for once, however many calls there are, and found again by the next gateway', async () => {
    await link({ organizationId: 'acme' })
    const sessions = await Promise.all(Array.from({ length: 5 }, () => session({})))
    expect(await Promise.all(sessions.map((one) => reads(one)))).toEqual(Array(5).fill(true))
    expect(minted()).toBe(1)
    const { rows } = await sql('select key, sealed, expires_at - now() as left from token_cache')
    expect(rows).toMatchObject([{ key: `github-token:installation:${installation}`, left: { minutes: 29 } }])
    for (const token of github.tokens.keys()) expect(String(rows[0]?.sealed)).not.toContain(token)
    await gateway.start()
    expect(await reads(await session({}))).toBe(true)
    expect(minted()).toBe(1)
  })

  test('that GitHub has revoked is dropped and asked for once more', async () => {
    await link({ organizationId: 'acme' })
    const mine = await session({})
    await reads(mine)
    github.tokens.clear()
    expect(await reads(mine)).toBe(true)
    expect(minted()).toBe(2)
    expect(await reads(mine)).toBe(true)
    expect(minted()).toBe(2)
  })

  test('serves the REST interface, too, and is asked for once more when it was revoked', async () => {
    await link({ organizationId: 'acme' })
    const { token } = await session({})
    const read = async () => {
      const answer = await gateway.call('/api/github.com/repos/acme/app', { headers: bearer(token) })
      return [answer.statusCode, await answer.body.json()]
    }
    expect(await read()).toMatchObject([200, { full_name: 'acme/app' }])
    github.tokens.clear()
    expect(await read()).toMatchObject([200, { full_name: 'acme/app' }])
    expect(minted()).toBe(2)
  })

  test('is none for a suspended installation', async () => {
    await link({ organizationId: 'acme' })
    github.installations.set(installation, { repositories: ['acme/app'], suspended: true })
    expect(await reads(await session({}))).toEqual(absent)
  })

  test('reaches the session’s repository alone, though the installation has others', async () => {
    await link({ organizationId: 'acme' })
    expect(await reads(await session({}), 'https://github.com/acme/sibling')).toEqual(absent)
  })

  test('cannot be had with another App’s key, which is told without a word of the key', async () => {
    await link({ organizationId: 'acme' })
    const { privateKey: other } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const pem = pemOf(other)
    await gateway.start({ githubApp: { appId: '77', privateKey: pem } })
    expect(await reads(await session({}))).toContain('corral: GitHub refused the App of this installation')
    expect(gateway.logged()).not.toContain(pem.split('\n')[1])
  })

  test('cannot be had while GitHub is away, which may be tried again', async () => {
    await link({ organizationId: 'acme' })
    await gateway.start({ gitHosts: { 'github.com': { url: github.url, api: 'http://127.0.0.1:9' } } })
    expect(await reads(await session({}))).toMatch(
      /corral: GitHub could not be asked for a token; try again\.\s[\s\S]*502/,
    )
  })
})

describe('the caller’s token', () => {
  beforeEach(() => github.tokens.set('ghp_callers', ['acme/app', 'acme/sibling']))

  test('comes before one of the App, and goes to the session’s repository alone', async () => {
    await link({ organizationId: 'acme' })
    const mine = await session({ secret: { githubToken: 'ghp_callers' } })
    expect(await reads(mine)).toBe(true)
    expect(await reads(mine, 'https://github.com/acme/sibling')).toEqual(absent)
    expect(minted()).toBe(0)
    expect(gateway.logged()).not.toContain('ghp_callers')
  })

  test('may be given as the token of any git host', async () => {
    expect(await reads(await session({ secret: { gitToken: 'ghp_callers' } }))).toBe(true)
  })

  test('that is not taken makes the repository look as if it were not there', async () => {
    expect(await reads(await session({ secret: { githubToken: 'ghp_other' } }))).toEqual(absent)
  })

  test('of a GitHub is not sent to another host', async () => {
    await gateway.start({ gitHosts: { 'git.example': { url: github.url } } })
    const repository = 'https://git.example/acme/app'
    expect(await reads(await session({ repository, secret: { githubToken: 'ghp_callers' } }), repository)).toContain(
      'git.example has no such repository',
    )
    expect(github.requests.every(({ authorization }) => authorization === null)).toBe(true)
    expect(await reads(await session({ repository, secret: { gitToken: 'ghp_callers' } }), repository)).toBe(true)
  })

  test('that was sealed under another key is told as such', async () => {
    const mine = await session({ secret: { githubToken: 'ghp_callers' } })
    await gateway.start({ sealKey: Buffer.alloc(32, 1).toString('base64') })
    expect(await reads(mine)).toContain("corral: this session's token cannot be opened")
  })
})
