import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, describe, expect, test } from 'vitest'
import { startGitHost } from '../testing/codeHosts/gitHost.ts'
import { doorUrl } from './doorUrl.ts'
import { bearer, type TestSession, testGateway } from './testGateway.ts'
import { commitFile, expectOk, type Git, gitWith, makeRepository, tipOf } from './testGit.ts'

const folder = await mkdtemp(join(tmpdir(), 'corral-git-'))
const here = gitWith({ home: folder })
const root = join(folder, 'root')
const app = join(root, 'app')
const credential = { username: 'x-access-token', token: 'ghp_operator_0a1b' }

await makeRepository(here, app)
await makeRepository(here, join(root, 'library'))
await makeRepository(here, join(folder, 'outside'))
for (const path of ['public/app', 'public/other', 'private/app', 'private/other', 'private/shared']) {
  await makeRepository(here, join(folder, 'host', `${path}.git`))
}
const host = await startGitHost({ root: join(folder, 'host'), ...credential })
const gateway = await testGateway({
  gitLocalRoots: [root],
  gitHosts: { 'git.example': { url: host.url, credential, sharedRepositories: ['Private/Shared'] } },
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await host[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const local = 'file://'
const at = (identity: string) => gateway.doorUrl + doorUrl(identity)
const branchOf = ({ id }: TestSession) => `session/${id}`

/** A session with a clone of its repository, on its branch, with a commit that is not pushed. */
async function sessionWithClone(of: {
  repository: string
  upstreamBranch?: string
  sessionBranch?: string
  depth?: number
}) {
  const session = await gateway.session(of)
  const git: Git = gitWith({ home: folder, token: session.token })
  const work = await mkdtemp(join(folder, 'work-'))
  await expectOk(git(folder, 'clone', '--quiet', ...(of.depth ? [`--depth=${of.depth}`] : []), at(of.repository), work))
  const branch = of.upstreamBranch ?? of.sessionBranch ?? branchOf(session)
  await expectOk(git(work, 'checkout', '--quiet', '-b', branch))
  await commitFile(git, work, 'work of an agent')
  return { session, git, work, branch }
}

describe.each([
  ['on this machine', `${local}${app}`, app],
  ['on a host', 'https://git.example/private/app', join(folder, 'host/private/app.git')],
])('a repository %s', (_, repository, stored) => {
  test('is cloned, and the session’s branch is pushed to it', async () => {
    const { git, work, branch } = await sessionWithClone({ repository })
    await expectOk(git(work, 'push', 'origin', 'HEAD'))
    expect(await tipOf(here, stored, branch)).toBe(await expectOk(git(work, 'rev-parse', 'HEAD')))
    await commitFile(git, work, 'more')
    await expectOk(git(work, 'push', 'origin', 'HEAD'))
    expect(await tipOf(here, stored, branch)).toBe(await expectOk(git(work, 'rev-parse', 'HEAD')))
  })

  test('takes the upstream branch instead, when the session has one', async () => {
    const { session, git, work } = await sessionWithClone({ repository, upstreamBranch: 'feature/one' })
    await expectOk(git(work, 'push', 'origin', 'HEAD'))
    const { ok, said } = await git(work, 'push', 'origin', `HEAD:${branchOf(session)}`)
    expect([ok, said]).toEqual([false, expect.stringContaining('corral: this session may push to feature/one only')])
  })

  test('takes the session’s branch by the name that it was given', async () => {
    const { session, git, work } = await sessionWithClone({ repository, sessionBranch: 'work/one' })
    await expectOk(git(work, 'push', 'origin', 'HEAD'))
    const { ok, said } = await git(work, 'push', 'origin', `HEAD:${branchOf(session)}`)
    expect([ok, said]).toEqual([false, expect.stringContaining('corral: this session may push to work/one only')])
  })

  test('takes a push from a shallow clone, and a large one', async () => {
    const { git, work, branch } = await sessionWithClone({ repository, depth: 1 })
    // Above http.postBuffer git asks first whether it is let in, and then streams.
    await writeFile(join(work, 'large'), crypto.getRandomValues(new Uint8Array(60_000)))
    await writeFile(
      join(work, 'larger'),
      Buffer.concat(Array.from({ length: 40 }, () => crypto.getRandomValues(new Uint8Array(60_000)))),
    )
    await expectOk(git(work, 'add', '.'))
    await commitFile(git, work, 'large')
    await expectOk(git(work, 'push', 'origin', 'HEAD'))
    expect(await tipOf(here, stored, branch)).toBe(await expectOk(git(work, 'rev-parse', 'HEAD')))
  })

  test.each([
    ['another branch', ['HEAD:main'], /HEAD -> main \(corral: this session may push to session\/agent_\S+ only\)/],
    ['a tag', ['HEAD:refs/tags/v1'], /HEAD -> v1 \(corral: this session may push to session\/agent_\S+ only\)/],
    ['two references', ['HEAD', 'HEAD:refs/heads/second'], /corral: a push may update one branch at a time/],
  ])('refuses a push of %s, and says so', async (_, refs, sentence) => {
    const { git, work } = await sessionWithClone({ repository })
    const before = await expectOk(here(stored, 'for-each-ref'))
    const { ok, said } = await git(work, 'push', 'origin', ...refs)
    expect([ok, said]).toEqual([false, expect.stringMatching(sentence)])
    expect(await expectOk(here(stored, 'for-each-ref'))).toBe(before)
  })

  test('refuses to delete the session’s branch', async () => {
    const { git, work, branch } = await sessionWithClone({ repository })
    await expectOk(git(work, 'push', 'origin', 'HEAD'))
    const { ok, said } = await git(work, 'push', 'origin', `:${branch}`)
    expect([ok, said]).toEqual([false, expect.stringContaining(`corral: this session may not delete ${branch}`)])
    expect(await tipOf(here, stored, branch)).not.toBe('')
  })

  test('refuses push options', async () => {
    await expectOk(here(stored, 'config', 'receive.advertisePushOptions', 'true'))
    const { git, work } = await sessionWithClone({ repository })
    const { ok, said } = await git(work, 'push', '--push-option=ci.skip', 'origin', 'HEAD')
    expect([ok, said]).toEqual([false, expect.stringContaining('corral: push options are not taken here')])
  })

  test('is shown to nobody without a token', async () => {
    const session = await gateway.session({ repository })
    const { ok, said } = await here(folder, 'ls-remote', at(repository))
    expect([ok, said]).toEqual([false, expect.stringContaining('could not read Username')])
    const withName = at(repository).replace('http://', `http://agent:${session.token}@`)
    expect((await here(folder, 'ls-remote', withName)).ok).toBe(true)
  })
})

describe('on this machine', async () => {
  const session = await gateway.session({ repository: `${local}${app}` })
  const git = gitWith({ home: folder, token: session.token })

  test('another repository below the roots may be read and not pushed', async () => {
    const work = await mkdtemp(join(folder, 'work-'))
    await expectOk(git(folder, 'clone', '--quiet', at(`${local}${root}/library`), work))
    const { ok, said } = await git(work, 'push', 'origin', `HEAD:${branchOf(session)}`)
    expect([ok, said]).toEqual([false, expect.stringContaining(`corral: this session may push to file://${app} only`)])
  })

  test('a repository with a work tree is served, too', async () => {
    await expectOk(git(folder, 'ls-remote', at(`${local}${app}.work`)))
  })

  test('nothing outside the roots is served, whatever leads there', async () => {
    const outside = join(folder, 'outside')
    await symlink(outside, join(root, 'link'))
    await mkdir(join(root, 'linked-git'))
    await symlink(outside, join(root, 'linked-git', '.git'))
    await mkdir(join(root, 'git-file'))
    await writeFile(join(root, 'git-file', '.git'), `gitdir: ${outside}\n`)
    await mkdir(join(root, 'linked-objects', 'refs'), { recursive: true })
    await writeFile(join(root, 'linked-objects', 'HEAD'), 'ref: refs/heads/main\n')
    await symlink(join(outside, 'objects'), join(root, 'linked-objects', 'objects'))
    const paths = [
      outside,
      ...['link', 'linked-git', 'git-file', 'linked-objects', 'nothing', ''].map((name) => join(root, name)),
    ]
    for (const path of paths) {
      const { ok, said } = await git(folder, 'ls-remote', at(`${local}${path}`))
      expect([path, ok, said]).toEqual([path, false, expect.stringContaining('corral: there is no such repository')])
    }
    const climbing = await gateway.call(`/git/file:${root}/../outside.git/info/refs?service=git-upload-pack`, {
      headers: bearer(session.token),
    })
    expect(climbing.statusCode).toBe(404)
  })

  test('hooks see nothing of the gateway’s environment', async () => {
    const seen = join(folder, 'seen')
    await writeFile(join(app, 'hooks', 'post-receive'), `#!/bin/sh\nenv > ${seen}\n`, { mode: 0o755 })
    const clone = await sessionWithClone({ repository: `${local}${app}` })
    await expectOk(clone.git(clone.work, 'push', 'origin', 'HEAD'))
    await rm(join(app, 'hooks', 'post-receive'))
    const names = (await readFile(seen, 'utf8')).split('\n').map((line) => line.replace(/=.*/, ''))
    expect(names).toContain('GIT_DIR')
    expect(names.filter((name) => /^(HOME|USER|NODE|VITEST|npm_|CORRAL)/.test(name))).toEqual([])
  })
})

describe('on a host', async () => {
  const own = 'https://git.example/private/app'
  const session = await gateway.session({ repository: own })
  const git = gitWith({ home: folder, token: session.token })
  const asked = (path: string) => host.requests.filter((request) => request.path.startsWith(path))

  test('other repositories are read without the credential and not pushed', async () => {
    const work = await mkdtemp(join(folder, 'work-'))
    await expectOk(git(folder, 'clone', '--quiet', at('https://git.example/public/other'), work))
    expect(asked('/public/other').every(({ headers }) => headers.authorization === undefined)).toBe(true)
    const { ok, said } = await git(work, 'push', 'origin', `HEAD:${branchOf(session)}`)
    expect([ok, said]).toEqual([false, expect.stringContaining(`corral: this session may push to ${own} only`)])
  })

  test('a repository that the operator shares is read with the credential, and not pushed', async () => {
    const work = await mkdtemp(join(folder, 'work-'))
    await expectOk(git(folder, 'clone', '--quiet', at('https://git.example/private/shared'), work))
    const { ok, said } = await git(work, 'push', 'origin', `HEAD:${branchOf(session)}`)
    expect([ok, said]).toEqual([false, expect.stringContaining(`corral: this session may push to ${own} only`)])
  })

  test('a private repository of somebody else looks as if it were not there', async () => {
    for (const name of ['private/other', 'public/nothing']) {
      const { ok, said } = await git(folder, 'ls-remote', at(`https://git.example/${name}`))
      expect([ok, said]).toEqual([
        false,
        expect.stringContaining('corral: git.example has no such repository, or it may not be reached'),
      ])
    }
  })

  test('git’s protocol is passed on, and nothing that the sandbox sends for authentication', async () => {
    await expectOk(git(folder, 'ls-remote', at(own)))
    const { headers } = asked('/private/app').at(-1) ?? { headers: {} }
    expect(headers).toMatchObject({
      'git-protocol': 'version=2',
      'user-agent': expect.stringMatching(/^git\//),
      authorization: `Basic ${Buffer.from(`${credential.username}:${credential.token}`).toString('base64')}`,
    })
  })

  test('a redirect is not followed', async () => {
    const { ok, said } = await git(folder, 'ls-remote', at('https://git.example/moved/app'))
    expect([ok, said]).toEqual([
      false,
      expect.stringContaining('corral: git.example redirects this repository elsewhere'),
    ])
    expect(asked('/public/app')).toEqual([])
  })

  test('an answer that breaks off is reset', async () => {
    expect((await git(folder, 'ls-remote', at('https://git.example/broken/app'))).ok).toBe(false)
    const answer = await gateway.call('/git/git.example/broken/app.git/info/refs?service=git-upload-pack', {
      headers: bearer(session.token),
    })
    await expect(text(answer.body)).rejects.toThrow()
  })

  test('only smart HTTP is served', async () => {
    const repository = '/git/git.example/private/app.git'
    const refused = async (method: 'GET' | 'POST', path: string) => {
      const answer = await gateway.call(repository + path, { method, headers: bearer(session.token) })
      return [answer.statusCode, await text(answer.body)]
    }
    for (const [method, path] of [
      ['GET', '/info/refs'],
      ['GET', '/HEAD'],
      ['GET', '/objects/info/packs'],
      ['GET', '/info/refs?service=git-upload-archive'],
      ['POST', '/info/refs?service=git-upload-pack'],
      ['POST', '/info/lfs/objects/batch'],
    ] as const) {
      expect(await refused(method, path)).toEqual([404, expect.stringContaining('only smart HTTP of git is served')])
    }
  })

  test('hosts that nobody listed are not reached, nor private addresses under any name', async () => {
    const elsewhere = await git(folder, 'ls-remote', at('https://elsewhere.example/acme/app'))
    expect(elsewhere.said).toContain('corral: this session may not fetch from elsewhere.example')
    const port = new URL(host.url).port
    const before = host.requests.length
    for (const name of ['127.0.0.1', 'localhost', '[::1]']) {
      const repository = `http://${name}:${port}/public/app`
      const { token } = await gateway.session({ repository })
      const { ok, said } = await gitWith({ home: folder, token })(folder, 'ls-remote', at(repository))
      expect([ok, said]).toEqual([false, expect.stringContaining('is not an address that this session may connect to')])
    }
    expect(host.requests.length).toBe(before)
  })

  test('a private host that the operator allows is reached', async () => {
    const { host: name } = new URL(host.url)
    const repository = `http://${name}/public/app`
    await gateway.start({ allowPrivateHosts: [name] })
    const { token } = await gateway.session({ repository })
    await expectOk(gitWith({ home: folder, token })(folder, 'ls-remote', at(repository)))
  })

  test('the credential and the token are in no log line, and not on the disk of the sandbox', async () => {
    const clone = await sessionWithClone({ repository: own })
    await expectOk(clone.git(clone.work, 'push', 'origin', 'HEAD'))
    const secrets = [credential.token, Buffer.from(`${credential.username}:${credential.token}`).toString('base64')]
    const found = await here(
      folder,
      'grep',
      '--no-index',
      '--fixed-strings',
      '--text',
      ...secrets.flatMap((secret) => ['-e', secret]),
      clone.work,
    )
    expect(found.text).toBe('')
    expect(gateway.logged()).toContain('"service":"git-receive-pack"')
    for (const secret of [...secrets, clone.session.token]) expect(gateway.logged()).not.toContain(secret)
  })
})
