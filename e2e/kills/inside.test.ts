/**
 * What works for a session is killed in the middle of its turns, one after the other: the gateway, the agent, the
 * supervisor, the sandbox. One conversation goes through all of it, and each next message is the proof that it works.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { bash, gate, play, say, write } from '../harness/script.ts'
import { type Begun, callsOf, pushed, startConversation, stepOf } from './conversation.ts'
import { holdStart, holdWriting } from './held.ts'
import { answerOf, commitsOf, expectAgentsOwn, expectKept, seen } from './kept.ts'

let corral: Installation
let conversation: Begun
/** How each execution ended so far. */
const ends: Record<ExecutionId, string> = {}

beforeAll(async () => {
  corral = await startInstallation()
  conversation = await startConversation(
    corral,
    'inside',
    play(write('one.md', 'one\n'), gate('one'), say('Done one.')),
  )
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

async function killGateway(): Promise<void> {
  const { pid } = JSON.parse(await readFile(join(corral.home, 'gateway', 'gateway.pid'), 'utf8'))
  process.kill(pid, 'SIGKILL')
}

const toolRuns = () =>
  eventually('the tool to run', 30_000, async () => (await conversation.inside()).tools.length > 0 || null)

async function theAgent(): Promise<number> {
  const [pid, ...others] = (await conversation.inside()).agents
  expect(others).toEqual([])
  return pid ?? expect.fail('no agent')
}

async function killSupervisor() {
  const inside = await conversation.inside()
  process.kill(inside.supervisor ?? expect.fail('no supervisor'), 'SIGKILL')
  return inside
}

test('the gateway, before the first byte of an answer: the call is made again, and nobody notices', async () => {
  const { first } = conversation
  await conversation.atGate('one')
  await killGateway()
  await eventually('the same call once more', 15_000, async () =>
    (await callsOf(conversation, 'Done one')).length === 3 ? true : null,
  )
  await conversation.release('one')
  ends[first] = 'completed'

  expect((await conversation.ended(first)).streamEventType).toBe('complete')
  expect(answerOf(conversation, first)).toBe('Done one.')
  await pushed(conversation, first)
  expect(await commitsOf(conversation)).toEqual([first])
  await expectKept(conversation, ends)
})

test('the gateway, after the first byte: the agent sees a broken answer and asks again', async () => {
  const execution = await conversation.send(play(say('Half of it, '), gate('two'), say('the other half.')))
  await conversation.atGate('two')
  await killGateway()
  await eventually('the same call once more', 15_000, async () =>
    (await callsOf(conversation, 'Half of it')).length === 2 ? true : null,
  )
  await conversation.release('two')
  ends[execution] = 'completed'

  expect((await conversation.ended(execution)).streamEventType).toBe('complete')
  expect(answerOf(conversation, execution)).toContain('Half of it, the other half.')
  await expectKept(conversation, ends)
})

test('the agent, when it has begun: the execution fails, and is not run again', async () => {
  const execution = await conversation.send(
    play(write('three.md', 'three\n'), say('What was said stays said. '), gate('three'), say('Never.')),
  )
  await conversation.atGate('three')
  await seen(conversation, execution, 'What was said stays said. ')
  process.kill(await theAgent(), 'SIGKILL')
  ends[execution] = 'agent_restarted'

  const end = await conversation.ended(execution)
  expect(end).toMatchObject({ streamEventType: 'error', data: { reason: 'agent_restarted' } })
  expect(answerOf(conversation, execution)).toBe('What was said stays said. ')
  await expectKept(conversation, ends)
})

test('the agent, while a tool runs: nothing of the tool is left', async () => {
  const execution = await conversation.send(play(bash('sleep 299'), say('Never.')))
  await toolRuns()
  process.kill(await theAgent(), 'SIGKILL')
  ends[execution] = 'agent_restarted'
  expect(await conversation.ended(execution)).toMatchObject({ data: { reason: 'agent_restarted' } })
  await expectKept(conversation, ends)
})

test('the next message is answered by an agent that knows what was before', async () => {
  const execution = await conversation.send(play(bash('cat one.md three.md'), say('I know.')))
  ends[execution] = 'completed'
  expect((await conversation.ended(execution)).streamEventType).toBe('complete')
  const [, call] = await callsOf(conversation, 'I know.')
  expect(call?.messages).toBeGreaterThan(8)
  await pushed(conversation, execution)
  await expectKept(conversation, ends)
})

test('the agent, before it has the message: it is started once more, and nobody notices', async () => {
  process.kill(await theAgent(), 'SIGKILL')
  const held = await holdStart(conversation)
  const execution = await conversation.send(play(say('Said by the second one.')))
  ends[execution] = 'completed'
  await stepOf(conversation, execution, 'agent_start', 'running')
  const starting = await eventually(
    'the agent to start',
    10_000,
    async () => (await conversation.inside()).agents[0] ?? null,
  )
  await held[Symbol.asyncDispose]()
  process.kill(starting, 'SIGKILL')

  expect((await conversation.ended(execution)).streamEventType).toBe('complete')
  expect(answerOf(conversation, execution)).toBe('Said by the second one.')
  expect(await callsOf(conversation, 'Said by the second one.')).toHaveLength(1)
  expect((await conversation.records.executions(conversation.session)).at(-1)).toMatchObject({ attempt: 1 })
  await expectKept(conversation, ends)
})

test('the agent, before it has begun: it is given the same message once more, and nobody notices', async () => {
  const agent = await theAgent()
  const held = await holdWriting(conversation)
  const execution = await conversation.send(play(say('Said once.')))
  ends[execution] = 'completed'
  await stepOf(conversation, execution, 'prompt_send', 'running')
  process.kill(agent, 'SIGKILL')
  held[Symbol.dispose]()

  expect((await conversation.ended(execution)).streamEventType).toBe('complete')
  expect(answerOf(conversation, execution)).toBe('Said once.')
  expect(await callsOf(conversation, 'Said once.')).toHaveLength(1)
  expect((await conversation.records.executions(conversation.session)).at(-1)).toMatchObject({ attempt: 2 })
  await expectKept(conversation, ends)
})

test('the supervisor: it is started again, ends the old agent, and the execution that had begun fails', async () => {
  const execution = await conversation.send(
    play(write('five.md', 'five\n'), say('Before the supervisor died. '), gate('five'), say('Never.')),
  )
  await conversation.atGate('five')
  await seen(conversation, execution, 'Before the supervisor died. ')
  const { init, agents } = await killSupervisor()
  ends[execution] = 'agent_restarted'

  const end = await conversation.ended(execution)
  expect(end).toMatchObject({ streamEventType: 'error', data: { reason: 'agent_restarted' } })
  expect(answerOf(conversation, execution)).toBe('Before the supervisor died. ')
  const after = await conversation.inside()
  expect(after.init).toBe(init)
  expect(after.agents).not.toEqual(expect.arrayContaining(agents))
  await expectKept(conversation, ends)
})

test('the supervisor, before the agent has begun: the agent is given the same message once more', async () => {
  for (const pid of (await conversation.inside()).agents) process.kill(pid, 'SIGKILL')
  const held = await holdStart(conversation)
  const execution = await conversation.send(play(bash('cat five.md'), say('Still here.')))
  ends[execution] = 'completed'
  await stepOf(conversation, execution, 'agent_start', 'running')
  await held[Symbol.asyncDispose]()
  await killSupervisor()

  expect((await conversation.ended(execution)).streamEventType).toBe('complete')
  expect(answerOf(conversation, execution)).toBe('Still here.')
  expect((await conversation.records.executions(conversation.session)).at(-1)).toMatchObject({ attempt: 2 })
  await pushed(conversation, execution)
  await expectKept(conversation, ends)
})

test('the supervisor, while a tool runs: nothing of the tool is left', async () => {
  const execution = await conversation.send(play(bash('sleep 300'), say('Never.')))
  await toolRuns()
  await killSupervisor()
  ends[execution] = 'agent_restarted'
  expect(await conversation.ended(execution)).toMatchObject({ data: { reason: 'agent_restarted' } })
  await expectKept(conversation, ends)
})

test('the sandbox: the execution is lost, and the next message has a new one with the files and the history', async () => {
  const execution = await conversation.send(
    play(write('six.md', 'six\n'), say('Before the sandbox died. '), gate('six'), say('Never.')),
  )
  await conversation.atGate('six')
  await seen(conversation, execution, 'Before the sandbox died. ')
  const before = await conversation.inside()
  process.kill(before.init, 'SIGKILL')
  ends[execution] = 'sandbox_lost'

  const end = await conversation.ended(execution, 10_000)
  expect(end).toMatchObject({ streamEventType: 'error', data: { reason: 'sandbox_lost' } })

  const next = await conversation.send(play(bash('cat six.md'), say('A new home.')))
  ends[next] = 'completed'
  expect((await conversation.ended(next)).streamEventType).toBe('complete')
  expect((await conversation.inside()).init).not.toBe(before.init)
  expect(answerOf(conversation, execution)).toBe('Before the sandbox died. ')
  await pushed(conversation, next)
  await expectKept(conversation, ends)
  await expectAgentsOwn(conversation)
})
