/** The server is killed in the middle of a turn: the agent goes on, nothing is lost or doubled, the turn completes. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { bash, gate, play, say, write } from '../harness/script.ts'
import { type Conversation, callsOf, pushed, startConversation } from './conversation.ts'
import { answerOf, commitsOf, expectAgentsOwn, expectKept } from './kept.ts'

let corral: Installation
let conversation: Conversation

beforeAll(async () => {
  corral = await startInstallation()
  const prompt = play(write('one.md', 'one\n'), say('This is said before '), gate('before'), say('and this after.'))
  conversation = await startConversation(corral, 'server', prompt)
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

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
  await expectKept(conversation, { [first]: 'completed' })
  await expectAgentsOwn(conversation)
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
  await expectKept(conversation, { [first]: 'completed', [second]: 'completed' })
  await expectAgentsOwn(conversation)
})
