/**
 * Private repositories on a GitHub and a GitLab, which are servers of these tests: with a token of the caller and with a
 * GitHub App; what is committed, pushed and proposed after a turn; and that no credential is ever in a sandbox.
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionId, FinalizationData, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type FakeGithub, startGithub } from '../packages/server/src/testing/codeHosts/github.ts'
import { type FakeGitlab, startGitlab } from '../packages/server/src/testing/codeHosts/gitlab.ts'
import { type Installation, startInstallation } from './harness/installation.ts'
import { executionsOn, git, makeRepository, referencesOf } from './harness/repositories.ts'
import { bash, play, say, write } from './harness/script.ts'
import { jsonIn, toolOutputs } from './harness/tools.ts'
import { endingOf, follow, type Viewer } from './harness/viewer.ts'

const githubToken = 'ghp_of_the_caller_51d0'
const gitlabToken = 'glpat_of_the_caller_77a2'
const appInstallation = 501

/** Each of three sessions starts an agent of its own. */
const turnMs = 150_000
vi.setConfig({ testTimeout: turnMs + 30_000, hookTimeout: turnMs })

let corral: Installation
let root: string
let github: FakeGithub
let gitlab: FakeGitlab

const hostile = (name: string) => readFile(new URL(`./hostile/${name}`, import.meta.url), 'utf8')
const stored = (path: string) => join(root, `${path}.git`)
const hex = (...texts: string[]) => texts.map((text) => Buffer.from(text).toString('hex')).join(' ')

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'corral-e2e-hosts-'))
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  github = await startGithub({ root, app: { id: '77', publicKey } })
  gitlab = await startGitlab({ root })
  github.tokens.set(githubToken, ['acme/app', 'acme/sibling'])
  github.installations.set(appInstallation, { repositories: ['acme/tool'] })
  gitlab.tokens.set(gitlabToken, ['acme/team/app'])
  const files = { 'find.mjs': await hostile('find.mjs'), 'sibling.sh': await hostile('sibling.sh') }
  await makeRepository(stored('acme/app'), files)
  await makeRepository(stored('acme/sibling'), { 'secret.txt': 'of somebody else\n' })
  await makeRepository(stored('acme/tool'), { 'readme.md': 'A tool\n' })
  await makeRepository(stored('acme/team/app'), { 'readme.md': 'On GitLab\n' })
  corral = await startInstallation({
    env: { GITHUB_APP_ID: '77', GITHUB_APP_PRIVATE_KEY: pem.replaceAll('\n', '\\n') },
    config: {
      gitHosts: {
        'github.com': { url: github.url, api: github.api },
        'gitlab.com': { url: gitlab.url, api: gitlab.api },
      },
      gitAuthor: { name: 'Acme Bot', email: 'bot@acme.example' },
    },
  })
})
afterAll(async () => {
  await corral?.end()
  await github?.[Symbol.asyncDispose]()
  await gitlab?.[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

type Worker = { session: SessionId; viewer: Viewer; first: ExecutionId }

async function start(of: object, ...steps: string[]): Promise<Worker> {
  const input = { prompt: play(...steps), mode: 'code', model: 'scripted/demo', autoCommit: true, ...of }
  const { cloudAgentSessionId: session, executionId } = await corral.corral.call.start.mutate(input)
  return { session, viewer: follow(corral.corral, session), first: executionId }
}

async function send({ session }: Worker, ...steps: string[]): Promise<ExecutionId> {
  const { executionId } = await corral.corral.call.sendMessage.mutate({
    cloudAgentSessionId: session,
    prompt: play(...steps),
  })
  return executionId
}

/** What followed a turn that has completed, whatever else; the next one's end tells that there is no more of it. */
async function finalization({ viewer, session }: Worker, executionId: ExecutionId, kinds: number) {
  expect(endingOf(await viewer.ended(executionId, turnMs))).toBe('completed')
  const told = () =>
    viewer.events.flatMap((event): FinalizationData[] =>
      event.executionId === executionId && event.streamEventType === 'finalization' ? [event.data] : [],
    )
  await viewer.until('the whole finalization', () => told().length >= kinds, turnMs)
  const result = await corral.corral.call.getMessageResult.query({ cloudAgentSessionId: session, executionId })
  expect(result).toMatchObject({ status: 'completed', finalization: told() })
  return told()
}

describe('a private repository, with a token of the caller', () => {
  let mine: Worker
  let branch: string
  afterAll(() => mine?.viewer.close())

  test('is cloned, changed, pushed and proposed, while no credential is in the sandbox', async () => {
    mine = await start(
      { githubRepo: 'acme/app', githubToken, pullRequest: { draft: true }, envVars: { KNOWN: 'a-known-value-31c9' } },
      bash(`node find.mjs ${hex('a-known-value-31c9')}`),
      bash(`node find.mjs ${hex(githubToken)}; git config --list; git remote --verbose`),
      bash(
        'sh sibling.sh; rm -rf stolen; git checkout --quiet . ; git rm --cached --quiet -r . ; git reset --quiet --hard',
      ),
      write('notes.md', 'hello'),
    )
    branch = `session/${mine.session}`
    const told = await finalization(mine, mine.first, 3)
    const [known, secret, sibling] = toolOutputs(mine.viewer, mine.first)
    expect(jsonIn(known)).toMatchObject({ inProcesses: expect.arrayContaining([expect.any(String)]) })
    expect(jsonIn(secret)).toMatchObject({ inProcesses: [], inFiles: [] })
    expect(secret).toContain('remote.origin.url=https://github.com/acme/app')
    for (const text of [secret, JSON.stringify(mine.viewer.events)]) expect(text).not.toContain(githubToken)
    expect(sibling).toMatch(/corral: .* has no such repository.*corral: this session may push to .*acme\/app only/s)

    const tip = await git(stored('acme/app'), 'rev-parse', branch)
    expect(told).toEqual([
      { kind: 'commit', success: true, branch, commitHash: tip, commitMessage: 'A scripted scenario' },
      { kind: 'push', success: true, branch, pushStatus: 'pushed' },
      { kind: 'pull_request', success: true, branch, url: 'https://github.com/acme/app/pull/1', number: 1 },
    ])
    expect(await git(stored('acme/app'), 'log', '-1', '--format=%an <%ae>', branch)).toBe('Acme Bot <bot@acme.example>')
    expect(github.pulls).toMatchObject([{ head: { ref: branch }, base: { ref: 'main' }, draft: true }])
    expect(await referencesOf(stored('acme/sibling'))).toMatch(/^refs\/heads\/main \w+$/)
  })

  test('a clean tree is told, nothing is pushed, and the open pull request is found', async () => {
    const told = await finalization(mine, await send(mine, say('Nothing to do.')), 3)
    expect(told).toEqual([
      { kind: 'commit', success: true, skipped: 'clean_tree', branch },
      { kind: 'push', success: true, skipped: 'nothing_to_push', branch, pushStatus: 'not_attempted' },
      {
        ...{ kind: 'pull_request', success: true, branch, url: 'https://github.com/acme/app/pull/1', number: 1 },
        message: 'It was open already.',
      },
    ])
    expect(github.pulls).toHaveLength(1)
  })

  test('a hook that fails is passed by', async () => {
    const hook = 'printf "#!/bin/sh\\nexit 1\\n" > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit'
    const id = await send(mine, bash(`mkdir -p .git/hooks; ${hook}`), write('notes.md', 'more'))
    const told = await finalization(mine, id, 3)
    expect(told).toMatchObject([{ kind: 'commit', success: true }, { kind: 'push', pushStatus: 'pushed' }, {}])
    expect(await executionsOn(stored('acme/app'), mine.session)).toEqual([mine.first, id])
  })

  test('a detached head is left alone', async () => {
    const told = await finalization(mine, await send(mine, bash('git checkout --quiet --detach'), write('a', 'b')), 2)
    const skipped = { success: true, skipped: 'detached_head' }
    expect(told).toEqual([
      { kind: 'commit', ...skipped, pushStatus: 'not_attempted' },
      { kind: 'pull_request', ...skipped },
    ])
  })

  test('main is left alone', async () => {
    const before = await referencesOf(stored('acme/app'))
    const told = await finalization(mine, await send(mine, bash('git checkout --quiet -B main')), 2)
    const skipped = { success: true, skipped: 'protected_branch', branch: 'main' }
    expect(told).toEqual([
      { kind: 'commit', ...skipped, pushStatus: 'not_attempted' },
      { kind: 'pull_request', ...skipped },
    ])
    expect(await referencesOf(stored('acme/app'))).toBe(before)
  })

  test('a push that is refused is a warning, and the commit stays', async () => {
    const before = await referencesOf(stored('acme/app'))
    const told = await finalization(mine, await send(mine, bash('git checkout --quiet -b elsewhere')), 3)
    expect(told).toMatchObject([
      { kind: 'commit', success: true, branch: 'elsewhere' },
      {
        ...{ kind: 'push', success: false, branch: 'elsewhere', pushStatus: 'failed' },
        message: `The push was refused: this session may push to ${branch} only.`,
      },
      { kind: 'pull_request', success: false, skipped: 'not_pushed' },
    ])
    expect(await referencesOf(stored('acme/app'))).toBe(before)
  })
})

describe('a private repository, with the GitHub App', () => {
  let mine: Worker
  afterAll(() => mine?.viewer.close())

  const failure = async (worker: Worker, id: ExecutionId) => {
    expect(endingOf(await worker.viewer.ended(id, turnMs))).toBe('failed')
    const { failure: reason } = await corral.corral.call.getMessageResult.query({
      cloudAgentSessionId: worker.session,
      executionId: id,
    })
    return reason
  }
  const unreachable = {
    reason: 'clone_failed',
    httpStatus: 422,
    message: 'The repository could not be cloned: it does not exist or may not be read.',
  }

  test('is not opened by an installation of another organization', async () => {
    await corral.corral.call.createOrganization.mutate({ name: 'Rival', slug: 'rival' })
    const { organizations } = await corral.corral.call.listOrganizations.query({})
    const rival = organizations.find(({ slug }) => slug === 'rival')?.organizationId ?? ''
    expect((await corral.command(['github', 'link', `${appInstallation}`, '--organization', rival])).code).toBe(0)
    const of = { githubRepo: 'acme/tool', kilocodeOrganizationId: 'corral', upstreamBranch: 'main' }
    mine = await start(of, write('notes.md', 'hello'))
    expect(await failure(mine, mine.first)).toMatchObject(unreachable)
    const absent = await start({ ...of, githubRepo: 'acme/nothing' }, say('hello'))
    expect(await failure(absent, absent.first)).toMatchObject(unreachable)
    absent.viewer.close()
  })

  test('is opened once it is linked; main is committed and pushed where it is the upstream branch', async () => {
    const { stdout } = await corral.command(['github', 'link', `${appInstallation}`, '--organization', 'corral'])
    expect(stdout).toContain('501          organization corral')
    const id = await send(mine, write('notes.md', 'hello'))
    const told = await finalization(mine, id, 2)
    const tip = await git(stored('acme/tool'), 'rev-parse', 'main')
    expect(told).toMatchObject([
      { kind: 'commit', success: true, branch: 'main', commitHash: tip },
      { kind: 'push', success: true, branch: 'main', pushStatus: 'pushed' },
    ])
    expect(await git(stored('acme/tool'), 'show', 'main:notes.md')).toBe('hello')
  })

  test('is closed again from the next call on, once it is unlinked', async () => {
    await corral.command(['github', 'unlink', `${appInstallation}`, '--organization', 'corral'])
    const told = await finalization(mine, await send(mine, write('notes.md', 'more')), 2)
    expect(told).toMatchObject([
      { kind: 'commit', success: true },
      { kind: 'push', pushStatus: 'failed' },
    ])
  })
})

test('a project on GitLab gets a merge request', async () => {
  const mine = await start(
    {
      ...{ gitUrl: 'https://gitlab.com/acme/team/app.git', gitToken: gitlabToken },
      pullRequest: { title: 'Take a note', base: 'main' },
    },
    write('notes.md', 'hello'),
  )
  const told = await finalization(mine, mine.first, 3)
  mine.viewer.close()
  const url = 'https://gitlab.com/acme/team/app/-/merge_requests/1'
  expect(told.at(-1)).toMatchObject({ kind: 'pull_request', success: true, url, number: 1 })
  expect(gitlab.mergeRequests).toMatchObject([
    { title: 'Take a note', source_branch: `session/${mine.session}`, target_branch: 'main', state: 'opened' },
  ])
})

test('a pull request is refused at the start where there is no host that could have one', async () => {
  const local = await makeRepository(join(corral.repositories, 'local.git'), { 'readme.md': 'Hello\n' })
  await expect(start({ gitUrl: local, pullRequest: {} }, say('hello'))).rejects.toMatchObject({
    reason: 'invalid_input',
    details: [{ path: 'pullRequest', message: expect.stringContaining('needs a repository on GitHub or GitLab') }],
  })
})

test('no log of the installation has a token', async () => {
  const logs = await Promise.all(
    [join(corral.folder, 'server.log'), join(corral.home, 'gateway', 'gateway.log')].map((file) =>
      readFile(file, 'utf8'),
    ),
  )
  for (const token of [githubToken, gitlabToken, ...github.tokens.keys()]) {
    for (const log of logs) expect(log).not.toContain(token)
  }
})
