/**
 * What a repository that means harm can do: its programs run through the agent's own shell, in a real sandbox, beside
 * a second session on the same repository. It is a private one: the operator has its token, and keys of models, too.
 */
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionId, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGitHost } from '../packages/server/src/testing/codeHosts/gitHost.ts'
import type { HostServer } from '../packages/server/src/testing/codeHosts/server.ts'
import { apiKey, type Installation, internalKey, startInstallation } from './harness/installation.ts'
import { git, makeRepository, referencesOf } from './harness/repositories.ts'
import { bash, play } from './harness/script.ts'
import { jsonIn, toolOutputs } from './harness/tools.ts'
import { follow, type Viewer } from './harness/viewer.ts'

const keys = {
  OPENAI_API_KEY: 'sk-e2e-openai-7f3b5d9a1c',
  ANTHROPIC_API_KEY: 'sk-ant-e2e-4e8c2b6f0d',
}
const gitToken = 'token-of-the-operator-6b1d'
/** Given to the session on purpose: what finds this would find the others. */
const known = 'a-variable-of-the-session-5a1e'
/** What only the first session has. */
const marker = 'written-by-the-first-session-9c4d'

type Found = { inProcesses: string[]; inFiles: string[]; folders: string[]; processes: number; sessions: string[] }

let corral: Installation
let gitHost: HostServer
let gitRoot: string
/** On the disk of its host. */
let repository: string
let address: string
let first: { session: SessionId; viewer: Viewer }
let second: { session: SessionId; viewer: Viewer }

const hostile = (name: string) => readFile(new URL(`./hostile/${name}`, import.meta.url), 'utf8')
const hex = (...texts: string[]) => texts.map((text) => Buffer.from(text).toString('hex')).join(' ')

beforeAll(async () => {
  gitRoot = await mkdtemp(join(tmpdir(), 'corral-e2e-git-'))
  gitHost = await startGitHost({ root: gitRoot, username: 'corral', token: gitToken })
  address = `${gitHost.url}/private/app`
  const { host } = new URL(gitHost.url)
  corral = await startInstallation({
    env: { ...keys, CORRAL_ALLOW_PRIVATE_HOSTS: host },
    config: { gitHosts: { [host]: { url: gitHost.url, credential: { username: 'corral', token: gitToken } } } },
  })
  await makeRepository(join(gitRoot, 'private', 'sibling.git'), { 'secret.txt': 'of somebody else\n' })
  repository = await makeRepository(join(gitRoot, 'private', 'app.git'), {
    'find.mjs': await hostile('find.mjs'),
    'network.mjs': await hostile('network.mjs'),
    'root.sh': await hostile('root.sh'),
    'sibling.sh': await hostile('sibling.sh'),
  })
  await git(repository, 'tag', 'released', 'main')
  await git(repository, 'branch', 'precious', 'main')
})
afterAll(async () => {
  first?.viewer.close()
  second?.viewer.close()
  await corral?.end()
  await gitHost?.[Symbol.asyncDispose]()
  await rm(gitRoot, { recursive: true, force: true })
})

async function begin(...commands: string[]) {
  const { cloudAgentSessionId: session, executionId } = await corral.corral.call.start.mutate({
    prompt: play(...commands.map(bash)),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: address,
    envVars: { KNOWN: known },
  })
  const viewer = follow(corral.corral, session)
  return { session, viewer, outputs: await outputsOf(viewer, executionId) }
}

async function go(on: { session: SessionId; viewer: Viewer }, ...commands: string[]): Promise<string[]> {
  const { executionId } = await corral.corral.call.sendMessage.mutate({
    cloudAgentSessionId: on.session,
    prompt: play(...commands.map(bash)),
  })
  return outputsOf(on.viewer, executionId)
}

async function outputsOf(viewer: Viewer, executionId: ExecutionId): Promise<string[]> {
  expect(await viewer.ended(executionId)).toMatchObject({ streamEventType: 'complete' })
  return toolOutputs(viewer, executionId)
}

test('from inside there is no network but loopback, and behind the two doors a token is wanted', async () => {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  const ofHost = addresses.filter(({ family, internal }) => family === 'IPv4' && !internal).map((it) => it.address)
  const port = new URL(corral.url).port
  const run = await readlink(join(corral.home, 'run'))
  const owner = (await readdir(join(run, 'owner'))).map((name) => join(run, 'owner', name))
  const sockets = [join(run, 'postgres', '.s.PGSQL.5432'), join(run, 'gateway', 'control.sock'), ...owner]
  const outside = [
    ...ofHost.map((ip) => `${ip}:${port}`),
    ...['169.254.169.254:80', '10.0.0.1:80', '192.168.0.1:22', '8.8.8.8:53', '2001:4860:4860::8888:53'],
  ]
  const targets = [`127.0.0.1:${port}`, `::1:${port}`, new URL(gitHost.url).host, ...outside, ...sockets]
  const { outputs, ...session } = await begin(`node network.mjs ${targets.join(' ')}`)
  first = session
  expect(jsonIn(outputs[0])).toEqual({
    interfaces: ['lo'],
    reached: {
      [new URL(gitHost.url).host]: 'ECONNREFUSED',
      [`127.0.0.1:${port}`]: 'ECONNREFUSED',
      [`::1:${port}`]: expect.stringMatching(/^(ECONNREFUSED|EADDRNOTAVAIL)$/),
      ...Object.fromEntries(outside.map((target) => [target, 'ENETUNREACH'])),
      ...Object.fromEntries(sockets.map((target) => [target, 'ENOENT'])),
    },
    udp: 'ENETUNREACH',
    name: expect.stringMatching(/^(EAI_AGAIN|ENOTFOUND)$/),
    // Nobody may list the folder of the doors either.
    sockets: [],
    // The server's door speaks to supervisors alone, and the gateway's to those who have a token.
    serverDoor: { health: 401, linkWithoutToken: 401 },
    gatewayWithoutToken: 401,
    doorsAreWritable: false,
  })
})

test("the operator's secrets are nowhere, while what the session was given is found", async () => {
  const secrets = [...Object.values(keys), gitToken, internalKey, apiKey]
  const [own, others, config = '', user = ''] = await go(
    first,
    `node find.mjs ${hex(known)}`,
    `node find.mjs ${hex(...secrets)}`,
    'git config --list --show-origin; git remote --verbose',
    'sh root.sh',
  )
  const control = jsonIn(own) as Found
  expect(control.inProcesses.length).toBeGreaterThan(0)
  expect(control.processes).toBeGreaterThanOrEqual(3)
  expect(control.folders).toEqual(expect.arrayContaining(['/corral', '/etc', '/home', '/tmp', '/workspace']))
  expect(jsonIn(others)).toMatchObject({ inProcesses: [], inFiles: [] })
  for (const secret of secrets) expect(config).not.toContain(secret)
  expect(config).toContain(`remote.origin.url=${address}`)
  expect(user).toMatch(/^1000\n.*shadow: No such file/s)
  expect(user).toMatch(/^over$/m)
  expect(user).not.toMatch(/^0$/m)
})

test('a push to another branch, of a tag, and a delete are refused, and the tool says why', async () => {
  const before = await referencesOf(repository)
  const outputs = await go(
    first,
    'git commit --quiet --allow-empty --message=mine; git push origin HEAD:refs/heads/main',
    'git push origin HEAD:refs/heads/precious --force',
    'git tag v1 && git push origin v1',
    'git push origin --delete precious',
    'git push origin --delete released',
  )
  expect(await referencesOf(repository)).toBe(before)
  expect(outputs).toHaveLength(5)
  for (const output of outputs) expect(output).toMatch(/\[remote rejected\].*\(corral: .+\)/)
  expect(outputs[0]).toContain(`session/${first.session}`)
})

test('another private repository of the same host can neither be read nor written', async () => {
  const before = await referencesOf(join(gitRoot, 'private', 'sibling.git'))
  const [output] = await go(first, 'sh sibling.sh')
  expect(output).toMatch(/trying http.*\/private\/sibling\.git.*over/s)
  expect(output).toMatch(/corral: .* has no such repository.*corral: this session may push to .*private\/app only/s)
  expect(output).not.toMatch(/of somebody else|^[0-9a-f]{40}\t/m)
  expect(await referencesOf(join(gitRoot, 'private', 'sibling.git'))).toBe(before)
})

test('a push to the branch of the session is taken', async () => {
  const [output] = await go(first, `git push origin HEAD:refs/heads/session/${first.session}`)
  expect(output).not.toContain('rejected')
  expect(await git(repository, 'log', '-1', '--format=%s', `session/${first.session}`)).toBe('mine')
})

describe('a second session on the same repository', () => {
  test('sees no file and no process of the first', async () => {
    await go(
      first,
      `for place in . ~ /tmp; do echo ${marker} > $place/left-behind; done`,
      `MARKER=${marker} setsid sleep 600 > /dev/null 2>&1 & echo started`,
    )
    const [own] = await go(first, `node find.mjs ${hex(marker)}`)
    expect((jsonIn(own) as Found).inFiles).toEqual(expect.arrayContaining(['/tmp/left-behind']))

    const { outputs, ...session } = await begin(
      `node find.mjs ${hex(marker)}`,
      'ls -A /home /workspace /workspace/*/sessions',
    )
    second = session
    expect(jsonIn(outputs[0])).toMatchObject({ inProcesses: [], inFiles: [], sessions: [second.session] })
    expect(outputs[1]).toContain(second.session)
    expect(outputs[1]).not.toContain(first.session)
  })

  test("cannot push the first one's branch", async () => {
    const before = await referencesOf(repository)
    const [output] = await go(
      second,
      `git commit --quiet --allow-empty --message=theirs; git push --force origin HEAD:refs/heads/session/${first.session}`,
    )
    expect(output).toMatch(/\[remote rejected\].*\(corral: .+\)/)
    expect(await referencesOf(repository)).toBe(before)
  })
})
