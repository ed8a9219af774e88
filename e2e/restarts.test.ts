/**
 * What outlives whom: the server is killed and stopped, the gateway and the supervisor are killed, each in the middle
 * of a turn. One session goes through all of it, with a viewer who is there all the time.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionId, SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from './harness/eventually.ts'
import { type Installation, startInstallation } from './harness/installation.ts'
import { processesOf } from './harness/processes.ts'
import { git, makeRepository } from './harness/repositories.ts'
import { gate, play, say, write } from './harness/script.ts'
import { follow, type Viewer } from './harness/viewer.ts'

let corral: Installation
let repository: string
let session: SessionId
let viewer: Viewer

const agentMs = 40_000

beforeAll(async () => {
  corral = await startInstallation()
  repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
})
afterAll(async () => {
  viewer?.close()
  await corral?.end()
})

const release = async (name: string) => (await corral.model()).release(name)
const atGate = async (name: string) => (await corral.model()).waitAtGate(name, agentMs)
const agents = async () =>
  (await processesOf(corral.folder)).filter(({ commandLine }) => commandLine.includes(' serve --hostname'))
const supervisor = async () =>
  (await processesOf(corral.folder)).find(({ commandLine }) => commandLine === '/corral/node /corral/supervisor.mjs') ??
  expect.fail('no supervisor')

async function send(prompt: string): Promise<ExecutionId> {
  const ack = await corral.corral.call.sendMessage.mutate({ cloudAgentSessionId: session, prompt })
  return ack.executionId
}

async function expectCompleted(executionId: ExecutionId, words: string): Promise<void> {
  expect(await viewer.ended(executionId, agentMs)).toMatchObject({ streamEventType: 'complete' })
  const result = await corral.corral.call.getMessageResult.query({ cloudAgentSessionId: session, executionId })
  expect(result).toMatchObject({ status: 'completed', assistant: { text: words } })
}

/** Everything so far, once and in order, for who was there and for who comes now. */
async function expectWholeLog(): Promise<void> {
  const { latestEventId } = await corral.corral.call.getSession.query({ cloudAgentSessionId: session })
  const now = follow(corral.corral, session)
  await now.until('the newest event', ({ eventId }) => eventId === latestEventId)
  now.close()
  await viewer.until('the newest event', ({ eventId }) => eventId >= latestEventId)
  expect(now.events.map(({ eventId }) => eventId)).toEqual(Array.from({ length: latestEventId }, (_, i) => i + 1))
  expect(viewer.events.slice(0, latestEventId)).toEqual(now.events)
}

test('kill -9 of the server: the agent goes on without it, and the turn completes when it is back', async () => {
  const ack = await corral.corral.call.start.mutate({
    prompt: play(say('I begin.'), gate('killed'), write('notes.md', 'written while nobody looked\n'), say('Written.')),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    autoCommit: true,
  })
  session = ack.cloudAgentSessionId
  viewer = follow(corral.corral, session)
  await atGate('killed')
  await corral.kill()
  await release('killed')
  await eventually('an agent that has finished', agentMs, async () => {
    const requests = await (await corral.model()).requests()
    return requests.find(({ toolResults, outcome }) => toolResults === 1 && outcome === 'complete') ?? null
  })
  await corral.start()
  await expectCompleted(ack.executionId, 'Written.')
  await viewer.until('the push', (event) => event.streamEventType === 'finalization' && event.data.kind === 'push')
  expect(await git(repository, 'show', `session/${session}:notes.md`)).toBe('written while nobody looked')
  expect(await git(repository, 'rev-list', '--count', `main..session/${session}`)).toBe('1')
  await expectWholeLog()
})

test('SIGTERM: the server ends well within 10 s and leaves the sandbox at work', async () => {
  const executionId = await send(play(say('I begin.'), gate('stopped'), say('I end.')))
  await atGate('stopped')
  const before = await agents()
  const { exitCode, tookMs } = await corral.stop()
  expect({ exitCode, inTime: tookMs < 10_000 }).toEqual({ exitCode: 0, inTime: true })
  expect(await agents()).toEqual(before)
  expect(before).toHaveLength(1)
  await corral.start()
  await release('stopped')
  await expectCompleted(executionId, 'I begin.I end.')
  await expectWholeLog()
})

test('kill -9 of the gateway before the first byte of an answer: the call is repeated, and the turn completes', async () => {
  const executionId = await send(play(gate('unanswered'), say('An answer.')))
  await atGate('unanswered')
  const { pid } = JSON.parse(await readFile(join(corral.home, 'gateway', 'gateway.pid'), 'utf8'))
  process.kill(pid, 'SIGKILL')
  await eventually('the same question again', agentMs, async () => {
    const requests = await (await corral.model()).requests()
    const asked = requests.filter(({ lastUserText }) => lastUserText.includes('gate unanswered'))
    return asked.length === 2 || null
  })
  await release('unanswered')
  await expectCompleted(executionId, 'An answer.')
})

test('kill -9 of the supervisor: what had begun fails and is not run again, and the next message works', async () => {
  const executionId = await send(play(say('I begin.'), gate('orphaned'), say('Never said.')))
  await atGate('orphaned')
  const before = await agents()
  process.kill((await supervisor()).pid, 'SIGKILL')
  expect(await viewer.ended(executionId, agentMs)).toMatchObject({ data: { reason: 'agent_restarted' } })
  await expectCompleted(await send(play(say('Here again.'))), 'Here again.')
  const after = await agents()
  expect(after).toHaveLength(1)
  expect(after[0]?.pid).not.toBe(before[0]?.pid)
  await expectWholeLog()
})
