/**
 * The server is killed in the middle of a turn: the agent goes on, nothing is lost or doubled, the turn completes. When
 * more dies with it, what is left is told as soon as it is back.
 */
import type { ExecutionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { processesOf } from '../harness/processes.ts'
import { bash, gate, play, say, write } from '../harness/script.ts'
import { type Begun, callsOf, pushed, startConversation } from './conversation.ts'
import { answerOf, commitsOf, expectAgentsOwn, expectKept, seen } from './kept.ts'

let corral: Installation
let conversation: Begun
/** How each execution ended so far. */
const ends: Record<ExecutionId, string> = {}

beforeAll(async () => {
  corral = await startInstallation()
  const prompt = play(write('one.md', 'one\n'), say('This is said before '), gate('before'), say('and this after.'))
  conversation = await startConversation(corral, 'server', prompt)
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

async function completes(prompt: string): Promise<ExecutionId> {
  const execution = await conversation.send(prompt)
  ends[execution] = 'completed'
  expect((await conversation.ended(execution)).streamEventType).toBe('complete')
  return execution
}

/** One that has ended with another is no news. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

test('back before the model goes on: the stream of the model was never broken, and the text is whole', async () => {
  const { first } = conversation
  await conversation.atGate('before')
  await corral.kill()
  await corral.start()
  await conversation.release('before')
  const end = await conversation.ended(first)

  expect(end.streamEventType).toBe('complete')
  expect(answerOf(conversation, first)).toBe('This is said before and this after.')
  expect((await callsOf(conversation, 'This is said')).map(({ outcome }) => outcome)).toEqual(['complete', 'complete'])
  await pushed(conversation, first)
  expect(await commitsOf(conversation)).toEqual([first])
  ends[first] = 'completed'
  await expectKept(conversation, ends)
})

test('away until the agent has ended its turn: what it did meanwhile is told when the server is back', async () => {
  const { first } = conversation
  const prompt = play(say('I begin.'), bash('cat one.md'), gate('away'), write('two.md', 'two\n'), say('I end.'))
  const second = await conversation.send(prompt)
  await conversation.atGate('away')
  await corral.kill()
  await conversation.release('away')
  await eventually('the end of the turn', 10_000, async () => {
    const calls = await callsOf(conversation, 'I begin.')
    return (calls.length === 3 && calls.every(({ outcome }) => outcome === 'complete')) || null
  })
  await corral.start()
  const end = await conversation.ended(second)

  expect(end.streamEventType).toBe('complete')
  expect(answerOf(conversation, second)).toBe('I begin.\nI end.')
  await pushed(conversation, second)
  expect(await commitsOf(conversation)).toEqual([first, second])
  ends[second] = 'completed'
  await expectKept(conversation, ends)
})

test('away for ten minutes: no timer holds that against anybody', async () => {
  const { records, session } = conversation
  const third = await conversation.send(play(say('Ten minutes '), gate('ten'), say('are nothing.')))
  await conversation.atGate('ten')
  const before = (await records.executions(session)).at(-1)
  await corral.kill()
  await records.age(session, 10)
  await corral.start()
  await eventually('the supervisor to be asked again', 10_000, async () => {
    const row = (await records.executions(session)).at(-1)
    return (row?.state === 'running' && row.sentLink !== before?.sentLink) || null
  })
  await conversation.release('ten')

  expect((await conversation.ended(third)).streamEventType).toBe('complete')
  expect(answerOf(conversation, third)).toBe('Ten minutes are nothing.')
  expect((await records.executions(session)).map(({ state }) => state)).toEqual(Array(3).fill('completed'))
  ends[third] = 'completed'
  await expectKept(conversation, ends)
})

test('together with the sandbox: known to be lost as soon as the server is back', async () => {
  const lost = await conversation.send(play(say('Nobody sees the end.'), gate('sandbox'), say('Never.')))
  await conversation.atGate('sandbox')
  await seen(conversation, lost, 'Nobody sees the end.')
  const { init } = await conversation.inside()
  await corral.kill()
  process.kill(init, 'SIGKILL')
  await corral.start()
  ends[lost] = 'sandbox_lost'
  expect(await conversation.ended(lost, 5_000)).toMatchObject({ data: { reason: 'sandbox_lost' } })
  await completes(play(bash('cat one.md two.md'), say('All is there.')))
  await expectKept(conversation, ends)
})

test('together with everything, as when the power fails: what was told is there, and the next message works', async () => {
  const lost = await conversation.send(play(write('power.md', 'power\n'), say('Light.'), gate('power'), say('Never.')))
  await conversation.atGate('power')
  await seen(conversation, lost, 'Light.')
  for (const { pid } of await processesOf(corral.folder)) kill(pid)
  await corral.died()
  await corral.start()
  ends[lost] = 'sandbox_lost'
  expect(await conversation.ended(lost)).toMatchObject({ data: { reason: 'sandbox_lost' } })
  expect(answerOf(conversation, lost)).toBe('Light.')
  const next = await completes(play(bash('cat power.md'), say('Light again.')))
  await pushed(conversation, next)
  expect(await commitsOf(conversation)).toContain(next)
  await expectKept(conversation, ends)
  await expectAgentsOwn(conversation)
})
