/**
 * Stop at every moment of an execution: it is settled before the answer, what it had started is gone soon after, and
 * nothing of it is in the next turn. One conversation, stopped again and again.
 */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { bash, gate, play, say, write } from '../harness/script.ts'
import { type Begun, callsOf, checkoutOf, pushed, startConversation, stepOf } from './conversation.ts'
import { holdStart, holdWriting } from './held.ts'
import { answerOf, commitsOf, expectAgentsOwn, expectKept, seen } from './kept.ts'

let corral: Installation
let conversation: Begun
/** How each execution ended so far. */
const ends: Record<ExecutionId, string> = {}

/** Between Stop, or the link's being there again, and the end of what was stopped: an agent has 5 s to stop by itself. */
const goneMs = 15_000

beforeAll(async () => {
  corral = await startInstallation()
  conversation = await startConversation(corral, 'stop', play(say('Never, since it is stopped while it is queued.')))
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

/** Stops what runs, and finds it settled as soon as there is an answer. */
async function stop(...executions: ExecutionId[]): Promise<void> {
  expect(await conversation.stop()).toEqual(executions)
  for (const execution of executions) ends[execution] = 'interrupted'
  const rows = await conversation.records.executions(conversation.session)
  expect(Object.fromEntries(rows.map(({ id, state, reason }) => [id, reason ?? state]))).toEqual(ends)
}

async function completes(prompt: string): Promise<ExecutionId> {
  const execution = await conversation.send(prompt)
  ends[execution] = 'completed'
  expect((await conversation.ended(execution)).streamEventType).toBe('complete')
  return execution
}

const toolRuns = (command: string) =>
  eventually(`${command} to run`, 60_000, async () => {
    const { tools } = await conversation.inside()
    return tools.find(({ commandLine }) => commandLine === command) ?? null
  })

const toolsAreGone = () =>
  eventually('the end of the tool', goneMs, async () =>
    (await conversation.inside()).tools.length === 0 ? true : null,
  )

async function theAgent(): Promise<number> {
  return (await conversation.inside()).agents[0] ?? expect.fail('no agent')
}

/** The answer to Stop says that it is settled; that nothing of it runs any more comes after. */
const isOver = (execution: ExecutionId) =>
  eventually('the end of what was stopped', goneMs, async () => {
    const rows = await conversation.records.executions(conversation.session)
    return rows.find(({ id }) => id === execution)?.stopped || null
  })

const agentIsGone = () =>
  eventually('the end of the agent', goneMs, async () => {
    const { tools, agents } = await conversation.inside()
    return tools.length + agents.length === 0 || null
  })

test('while it is queued', async () => {
  await stop(conversation.first)
  expect(await callsOf(conversation, 'while it is queued')).toEqual([])
})

test('while the agent starts', async () => {
  await completes(play(say('Before all the others.')))
  process.kill(await theAgent(), 'SIGKILL')
  const held = await holdStart(conversation)
  const execution = await conversation.send(play(say('Never, since the agent is not there yet.')))
  await stepOf(conversation, execution, 'agent_start', 'running')
  await stop(execution)
  await agentIsGone()
  await held[Symbol.asyncDispose]()
})

test('while the agent opens its session, or directly after', async () => {
  const execution = await conversation.send(play(gate('opened'), say('Never, since nobody lets it go on.')))
  await stepOf(conversation, execution, 'agent_session', 'running')
  await stop(execution)
  await isOver(execution)
})

test('after the prompt was handed over, before the agent has begun', async () => {
  await completes(play(say('The agent is there.')))
  const held = await holdWriting(conversation)
  const execution = await conversation.send(play(say('Never, since the agent has not begun.')))
  await stepOf(conversation, execution, 'prompt_send', 'running')
  await stop(execution)
  await isOver(execution)
  held[Symbol.dispose]()

  const next = await completes(play(say('After four stops.')))
  expect(answerOf(conversation, next)).toBe('After four stops.')
  for (const words of ['is not there yet', 'has not begun']) {
    expect(await callsOf(conversation, words), words).toEqual([])
  }
  await expectKept(conversation, ends)
})

test('in the middle of a text', async () => {
  const execution = await conversation.send(play(say('Said before. '), gate('text'), say('Never said.')))
  await conversation.atGate('text')
  await seen(conversation, execution, 'Said before. ')
  await stop(execution)
  await isOver(execution)
  await conversation.release('text')

  const next = await completes(play(say('After a text.')))
  expect(answerOf(conversation, next)).toBe('After a text.')
  expect(answerOf(conversation, execution).trim()).toBe('Said before.')
  await expectKept(conversation, ends)
})

test('while a tool runs', async () => {
  const execution = await conversation.send(play(write('tool.md', 'tool\n'), bash('sleep 300'), say('Never.')))
  await toolRuns('sleep 300')
  await stop(execution)
  await toolsAreGone()

  const next = await completes(play(bash('cat tool.md'), say('After a tool.')))
  expect(answerOf(conversation, next)).toBe('After a tool.')
  await pushed(conversation, next)
  await expectKept(conversation, ends)
})

test('while its work is committed: it has ended already and stays so; what waits behind it is stopped', async () => {
  const hook = '#!/bin/sh\ntouch .git/committing\nwhile [ ! -e .git/go ]; do sleep 0.1; done\n'
  const install = `mkdir -p .git/hooks && printf '${hook.replaceAll('\n', '\\n')}' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit`
  const execution = await completes(play(bash(install), write('slow.md', 'slow\n'), say('Now it takes long.')))
  const checkout = await checkoutOf(conversation)
  await eventually('the commit to begin', 20_000, () => existsSync(join(checkout, '.git', 'committing')) || null)
  const waiting = await conversation.send(play(say('Never, since it waits.')))
  await stop(waiting)
  await writeFile(join(checkout, '.git', 'go'), '')

  await pushed(conversation, execution)
  expect(await commitsOf(conversation)).toContain(execution)
  await completes(play(say('After a commit.')))
  expect(await callsOf(conversation, 'since it waits')).toEqual([])
  await expectKept(conversation, ends)
})

test('while the supervisor does not answer: settled at once, ended as soon as it is back', async () => {
  const execution = await conversation.send(play(bash('sleep 301'), say('Never.')))
  await toolRuns('sleep 301')
  const supervisor = (await conversation.inside()).supervisor ?? expect.fail('no supervisor')
  process.kill(supervisor, 'SIGSTOP')
  const begun = performance.now()
  await stop(execution)
  expect(performance.now() - begun).toBeLessThan(2_000)
  expect((await conversation.ended(execution)).streamEventType).toBe('interrupted')
  await toolRuns('sleep 301')

  process.kill(supervisor, 'SIGCONT')
  await toolsAreGone()
  const next = await completes(play(say('After a pause.')))
  expect(answerOf(conversation, next)).toBe('After a pause.')
  await expectKept(conversation, ends)
  await expectAgentsOwn(conversation)
})
