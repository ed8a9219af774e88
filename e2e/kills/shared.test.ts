/** Two sessions work in one sandbox when something is killed: each recovers by the same table as a session alone. */
import type { ExecutionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { bash, gate, play, say, write } from '../harness/script.ts'
import { type Begun, startConversation } from './conversation.ts'
import { answerOf, expectKept, seen } from './kept.ts'

const names = ['one', 'two'] as const

let corral: Installation
let both: { name: string; conversation: Begun; ends: Record<ExecutionId, string> }[]

beforeAll(async () => {
  corral = await startInstallation()
  const steps = (name: string) => play(write('first.md', `${name}\n`), gate(`${name}-first`), say(`Done ${name}.`))
  both = await Promise.all(
    names.map(async (name) => ({
      name,
      conversation: await startConversation(corral, name, steps(name), { isolation: 'shared' }),
      ends: {},
    })),
  )
})
afterAll(async () => {
  for (const { conversation } of both ?? []) conversation.viewer.close()
  await corral?.end()
})

async function expectEnds(executions: ExecutionId[], end: string): Promise<void> {
  for (const [i, { conversation, ends }] of both.entries()) {
    const execution = executions[i] ?? expect.fail('no execution')
    ends[execution] = end
    const { streamEventType, data } = await conversation.ended(execution)
    if (end === 'completed') expect(streamEventType).toBe('complete')
    else expect({ streamEventType, data }).toMatchObject({ streamEventType: 'error', data: { reason: end } })
  }
  // A sandbox that is gone is looked into when the next one is there.
  if (end === 'sandbox_lost') return
  for (const { conversation, ends } of both) await expectKept(conversation, ends, both.length)
}

/** Both have said something and are held. */
async function hold(point: string): Promise<ExecutionId[]> {
  const sent = await Promise.all(
    both.map(({ name, conversation }) =>
      conversation.send(play(say(`${name} begins ${point}. `), gate(`${name}-${point}`), say('Never.'))),
    ),
  )
  for (const [i, { name, conversation }] of both.entries()) {
    await conversation.atGate(`${name}-${point}`)
    await seen(conversation, sent[i] ?? expect.fail('no execution'), `${name} begins ${point}. `)
  }
  return sent
}

async function expectAnswers(): Promise<void> {
  const sent = await Promise.all(
    both.map(({ conversation }) => conversation.send(play(bash('cat first.md'), say('Back.')))),
  )
  await expectEnds(sent, 'completed')
  for (const [i, { conversation }] of both.entries())
    expect(answerOf(conversation, sent[i] ?? expect.fail('no execution'))).toContain('Back.')
}

const inside = async () => {
  const [one, two] = await Promise.all(both.map(({ conversation }) => conversation.inside()))
  expect(one?.init).toBe(two?.init)
  return one ?? expect.fail('no sandbox')
}

test('the server: both go on, and nothing is lost or doubled', async () => {
  for (const { name, conversation } of both) await conversation.atGate(`${name}-first`)
  const before = await inside()
  await corral.kill()
  await corral.start()
  for (const { name, conversation } of both) await conversation.release(`${name}-first`)
  await expectEnds(
    both.map(({ conversation }) => conversation.first),
    'completed',
  )
  expect(await inside()).toMatchObject({ init: before.init, supervisor: before.supervisor })
})

test('the supervisor: both had begun and fail, and both answer the next message', async () => {
  const sent = await hold('supervisor')
  const before = await inside()
  process.kill(before.supervisor ?? expect.fail('no supervisor'), 'SIGKILL')
  await expectEnds(sent, 'agent_restarted')
  await expectAnswers()
  expect((await inside()).init).toBe(before.init)
})

test('the sandbox: both are lost, and both have their files and history in the next one', async () => {
  const sent = await hold('sandbox')
  const before = await inside()
  process.kill(before.init, 'SIGKILL')
  await expectEnds(sent, 'sandbox_lost')
  await expectAnswers()
  expect((await inside()).init).not.toBe(before.init)
})
