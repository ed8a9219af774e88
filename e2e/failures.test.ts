/**
 * How work fails, and that no failure is the end of a session: each one names its reason, and the next message works.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionId, MessageResult, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGitHost } from '../packages/server/src/testing/codeHosts/gitHost.ts'
import type { HostServer } from '../packages/server/src/testing/codeHosts/server.ts'
import { type Installation, startInstallation } from './harness/installation.ts'
import { git, makeRepository } from './harness/repositories.ts'
import { play, say, write } from './harness/script.ts'
import { follow, type Viewer } from './harness/viewer.ts'

let corral: Installation
/** A git server in the network, beside the folder of repositories. */
let gitHost: HostServer
let gitRoot: string

beforeAll(async () => {
  gitRoot = await mkdtemp(join(tmpdir(), 'corral-e2e-git-'))
  gitHost = await startGitHost({ root: gitRoot, username: 'corral', token: 'token-of-the-operator' })
  corral = await startInstallation({
    env: { CORRAL_ALLOW_PRIVATE_HOSTS: new URL(gitHost.url).host },
    // Ten cents for each token that it says.
    config: { upstreams: { scripted: { prices: { demo: { inputPerMillionUsd: 0, outputPerMillionUsd: 100_000 } } } } },
  })
})
afterAll(async () => {
  await corral?.end()
  await gitHost?.[Symbol.asyncDispose]()
  await rm(gitRoot, { recursive: true, force: true })
})

type Configuration = Parameters<Installation['corral']['call']['start']['mutate']>[0]

const start = (configuration: Partial<Configuration>) =>
  corral.corral.call.start.mutate({
    prompt: play(say('Hello.')),
    mode: 'code',
    model: 'scripted/demo',
    ...configuration,
  })

async function resultOf(session: SessionId, executionId: ExecutionId): Promise<MessageResult> {
  const result = await corral.corral.call.getMessageResult.query({
    cloudAgentSessionId: session,
    executionId,
    waitMs: 30_000,
  })
  expect(result.endedAt).toBeDefined()
  return result
}

async function send(session: SessionId, prompt: string): Promise<MessageResult> {
  const { executionId } = await corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt })
  return resultOf(session, executionId)
}

describe('what can be known at once is refused at once, and leaves nothing behind', () => {
  const refused = (path: string) => ({
    httpStatus: 400,
    reason: 'invalid_input',
    details: [{ path, message: expect.any(String) }],
  })

  test('a local repository that is not there, or not under a root of the operator', async () => {
    const outside = await makeRepository(join(corral.folder, 'outside.git'), { 'README.md': 'Not for sessions.\n' })
    await expect(start({ gitUrl: outside })).rejects.toMatchObject(refused('gitUrl'))
    await expect(start({ gitUrl: join(corral.repositories, 'missing.git') })).rejects.toMatchObject(refused('gitUrl'))
  })

  test('a model that no upstream takes, and an agent that is not installed', async () => {
    const gitUrl = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
    await expect(start({ gitUrl, model: 'openai/gpt-5' })).rejects.toMatchObject(refused('model'))
    await expect(start({ gitUrl, agentKind: 'nobody' })).rejects.toMatchObject(refused('agentKind'))
    expect((await corral.corral.call.listSessions.query({})).sessions).toEqual([])
  })
})

describe('one session meets one failure after the other', () => {
  let session: SessionId
  let viewer: Viewer

  const failed = (reason: string, httpStatus: number, message: RegExp) => ({
    status: 'failed',
    failure: { reason, httpStatus, message: expect.stringMatching(message), retryable: expect.any(Boolean) },
  })
  afterAll(() => viewer?.close())

  test('clone_failed: the repository does not exist', async () => {
    const ack = await start({ gitUrl: `${gitHost.url}/public/app.git`, upstreamBranch: 'feature/one' })
    session = ack.cloudAgentSessionId
    viewer = follow(corral.corral, session)
    const result = await resultOf(session, ack.executionId)
    expect(result).toMatchObject(failed('clone_failed', 422, /could not be cloned/))
    expect(await viewer.ended(ack.executionId)).toMatchObject({
      streamEventType: 'error',
      data: { reason: 'clone_failed', error: result.failure?.message },
    })
  })

  test('branch_not_found: it exists now, but not its upstream branch', async () => {
    await makeRepository(join(gitRoot, 'public', 'app.git'), { 'README.md': 'An app.\n' })
    expect(await send(session, play(say('Again.')))).toMatchObject(failed('branch_not_found', 422, /branch/))
  })

  test('model_error: the branch is there, and the model refuses', async () => {
    await git(join(gitRoot, 'public', 'app.git'), 'branch', 'feature/one', 'main')
    const result = await send(session, play('fail 400 "I do not like this prompt."'))
    expect(result).toMatchObject(failed('model_error', 503, /HTTP 400.*I do not like this prompt/))
  })

  test('and the message after all of them completes, on that branch', async () => {
    expect(await send(session, play(write('notes.md', 'At last.\n'), say('Written.')))).toMatchObject({
      status: 'completed',
      assistant: { text: 'Written.' },
    })
    const diff = await corral.corral.call.getDiff.query({ cloudAgentSessionId: session })
    expect(diff).toMatchObject({ branch: 'feature/one', files: [{ path: 'notes.md', status: 'added' }] })
    const numbers = viewer.events.map(({ eventId }) => eventId)
    expect(numbers).toEqual(numbers.map((_, i) => i + 1))
  })
})

test('a failing setup command fails the first execution, and is a warning to the next', async () => {
  const gitUrl = join(corral.repositories, 'app.git')
  const { cloudAgentSessionId: session, executionId } = await start({ gitUrl, setupCommands: ['true', 'exit 7'] })
  const viewer = follow(corral.corral, session)
  expect(await resultOf(session, executionId)).toMatchObject({
    status: 'failed',
    failure: { reason: 'setup_command_failed', httpStatus: 422, message: expect.stringMatching(/2 of 2.*7/) },
  })
  expect(await send(session, play(say('All the same.')))).toMatchObject({
    status: 'completed',
    assistant: { text: 'All the same.' },
  })
  await viewer.until(
    'the warning',
    (event) =>
      event.streamEventType === 'status' && event.data.level === 'warning' && /2 of 2/.test(event.data.message),
  )
  viewer.close()
})

test('insufficient_credits: the budget is used up in the middle of a turn, and a new one brings the session back', async () => {
  const gitUrl = join(corral.repositories, 'app.git')
  const { cloudAgentSessionId: session, executionId } = await start({ gitUrl })
  expect(await resultOf(session, executionId)).toMatchObject({ status: 'completed' })
  expect((await corral.command(['budget', 'set', 'session', session, '1'])).code).toBe(0)

  const poor = await send(session, play(write('notes.md', `${'Much to say. '.repeat(20)}\n`), say('Never said.')))
  expect(poor).toMatchObject({ status: 'failed', failure: { reason: 'insufficient_credits', httpStatus: 402 } })
  const refused = corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt: play(say('Never.')) })
  await expect(refused).rejects.toMatchObject({
    httpStatus: 402,
    reason: 'insufficient_credits',
    details: { scope: 'session', remainingUsd: expect.any(Number), minimumUsd: 1 },
  })

  expect((await corral.command(['budget', 'set', 'session', session, '100'])).code).toBe(0)
  expect(await send(session, play(say('Said.')))).toMatchObject({ status: 'completed', assistant: { text: 'Said.' } })

  const usage = await corral.corral.call.getUsage.query({ cloudAgentSessionId: session })
  expect(usage.executions.map((of) => of.executionId)).toEqual(expect.arrayContaining([executionId, poor.executionId]))
  expect(usage).toMatchObject({ unpricedCalls: 0 })
  expect(usage.costUsd).toBeCloseTo(usage.completionTokens / 10, 6)
  const { stdout } = await corral.command(['usage', session])
  expect(stdout).toContain(poor.executionId)
})
