/**
 * What stands still instead of dying: the agent itself, and the server for longer than anybody waits for it. The real
 * processes, under SIGSTOP.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { processesOf } from '../harness/processes.ts'
import { gate, play, say, write } from '../harness/script.ts'
import { type Begun, pushed, startConversation } from './conversation.ts'
import { answerOf, expectKept, seen } from './kept.ts'

let corral: Installation
let conversation: Begun
const ends: Record<ExecutionId, string> = {}

beforeAll(async () => {
  corral = await startInstallation()
  conversation = await startConversation(corral, 'frozen', play(write('one.md', 'one\n'), say('Ready.')))
  ends[conversation.first] = 'completed'
  await conversation.ended(conversation.first)
  await pushed(conversation, conversation.first)
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

async function serverPid(): Promise<number> {
  const all = await processesOf(corral.folder)
  return all.find(({ commandLine }) => commandLine.endsWith('corral up'))?.pid ?? expect.fail('no server')
}

test('an agent that stands still counts as dead after 30 seconds; the next message has another one', async () => {
  const execution = await conversation.send(play(say('Before it froze. '), gate('agent'), say('Never.')))
  await conversation.atGate('agent')
  await seen(conversation, execution, 'Before it froze. ')
  const [agent] = (await conversation.inside()).agents
  process.kill(agent ?? expect.fail('no agent'), 'SIGSTOP')
  ends[execution] = 'agent_restarted'
  const begun = performance.now()
  expect(await conversation.ended(execution, 90_000)).toMatchObject({ data: { reason: 'agent_restarted' } })
  expect(performance.now() - begun).toBeGreaterThan(20_000)
  expect((await conversation.inside()).agents).not.toContain(agent)
  await conversation.release('agent')

  const next = await conversation.send(play(say('By another one.')))
  ends[next] = 'completed'
  expect((await conversation.ended(next)).streamEventType).toBe('complete')
  expect(answerOf(conversation, next)).toBe('By another one.')
  await expectKept(conversation, ends)
})

test.each([15, 60])(
  'a server that stands still for %i seconds loses nothing, and has one link again',
  async (seconds) => {
    const name = `server-${seconds}`
    const execution = await conversation.send(play(say('Before it froze. '), gate(name), say('After it.')))
    await conversation.atGate(name)
    const { supervisor, agents } = await conversation.inside()
    const server = await serverPid()
    process.kill(server, 'SIGSTOP')
    try {
      await conversation.release(name)
      // What is tested is this time, during which nothing of ours can be seen.
      await delay(seconds * 1_000)
    } finally {
      process.kill(server, 'SIGCONT')
    }
    ends[execution] = 'completed'
    expect((await conversation.ended(execution)).streamEventType).toBe('complete')
    expect(answerOf(conversation, execution)).toContain('After it.')
    expect(await conversation.inside()).toMatchObject({ supervisor, agents })
    await expectKept(conversation, ends)
  },
  180_000,
)
