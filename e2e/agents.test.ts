/** The versions of an agent, as an operator changes them under sessions that exist. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentsFolder } from '../packages/server/src/config.ts'
import { type Installation, startInstallation } from './harness/installation.ts'
import { makeRepository } from './harness/repositories.ts'
import { play, say } from './harness/script.ts'
import { follow } from './harness/viewer.ts'

/** Another version by its name, so that nothing has to come from the network. */
const pinned = 'opencode@1.0.0'

let store: string
let corral: Installation

beforeAll(async () => {
  store = await mkdtemp(join(tmpdir(), 'corral-e2e-agents-'))
  corral = await startInstallation({ env: { CORRAL_AGENTS_DIR: store } })
})
afterAll(async () => {
  await corral?.end()
  await rm(store, { recursive: true, force: true })
})

/** The installed OpenCode, under `name`. */
async function add(name: string): Promise<void> {
  const run = promisify(execFile)
  const { stdout } = await run('sh', ['-c', 'ls -d "$0"/opencode@*', agentsFolder(process.env)])
  const [installed = ''] = stdout.split('\n')
  await run('cp', ['--archive', '--reflink=auto', installed, join(store, name)])
  const record = JSON.parse(await readFile(join(store, name, 'agent.json'), 'utf8'))
  await writeFile(join(store, name, 'agent.json'), JSON.stringify({ ...record, version: name.split('@')[1] }))
}

/** One that cannot be started, so that nothing of it runs when it is removed. */
async function addUnusable(name: string): Promise<void> {
  await mkdir(join(store, name))
  const record = { name: 'opencode', version: name.split('@')[1], kind: 'opencode', wire: 'openai-chat', bin: 'none' }
  await writeFile(join(store, name, 'agent.json'), JSON.stringify(record))
}

test('a session stays with its version: it is refused when that was removed, and goes on when it is back', async () => {
  await addUnusable(pinned)
  const repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  const { cloudAgentSessionId: session } = await corral.backEnd.call.prepareSession.mutate({
    prompt: play(say('First.')),
    mode: 'code',
    model: 'scripted/demo',
    agentKind: pinned,
    gitUrl: repository,
  })
  await addUnusable('opencode@2.0.0')
  expect(await corral.command(['agents', 'rm', pinned])).toMatchObject({ code: 0 })
  expect(await corral.command(['agents'])).toMatchObject({ stdout: 'opencode@2.0.0\n' })

  const first = await corral.corral.call.initiateFromPreparedSession.mutate({ cloudAgentSessionId: session })
  const viewer = follow(corral.corral, session)
  expect(await viewer.ended(first.executionId)).toMatchObject({
    streamEventType: 'error',
    data: {
      reason: 'agent_unavailable',
      error: expect.stringMatching(/opencode@1\.0\.0.*is not installed any more.*corral agents add opencode@1\.0\.0/),
    },
  })

  await add(pinned)
  const second = await corral.corral.call.sendMessage.mutate({
    cloudAgentSessionId: session,
    prompt: play(say('Second.')),
  })
  expect(await viewer.ended(second.executionId)).toMatchObject({ streamEventType: 'complete' })
  viewer.close()

  expect(await corral.command(['agents', 'rm', pinned])).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^opencode@1\.0\.0 runs \(process \d+\)\. Wait until its sessions are idle/),
  })
})
