/**
 * While an agent warms up, before anybody waits for it: whatever is killed then, and whoever stops or deletes the session
 * then, nothing of the warm-up is seen by anybody, and the first message is answered.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { SessionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { play, say } from '../harness/script.ts'
import { bootMs, type Conversation, joinConversation } from './conversation.ts'
import { expectAgentsOwn, expectKept } from './kept.ts'

let corral: Installation
let repository: string

beforeAll(async () => {
  corral = await startInstallation()
  repository = await makeRepository(join(corral.repositories, 'warm.git'), { 'README.md': 'Warm.\n' })
})
afterAll(() => corral?.end())

const statusOf = async (session: SessionId) =>
  (await corral.corral.call.getSession.query({ cloudAgentSessionId: session })).agentStatus
const statusToBe = (session: SessionId, status: string) =>
  eventually(`an agent that is ${status}`, bootMs, async () => ((await statusOf(session)) === status ? true : null))

/** Its agent's process is there, and it is not warm yet. */
async function warmingUp(): Promise<Conversation> {
  const prepared = await corral.backEnd.call.prepareSession.mutate({
    ...{ prompt: play(say('Here I am.')), mode: 'code', model: 'scripted/demo', gitUrl: repository },
  })
  const conversation = joinConversation(corral, { ...prepared, repository })
  await statusToBe(conversation.session, 'starting')
  await eventually('its process', bootMs, async () => ((await conversation.inside()).agents.length > 0 ? true : null))
  expect(await statusOf(conversation.session)).toBe('starting')
  return conversation
}

async function expectAnswered(conversation: Conversation): Promise<void> {
  const { session } = conversation
  const ack = await corral.corral.call.initiateFromPreparedSession.mutate({ cloudAgentSessionId: session })
  expect((await conversation.ended(ack.executionId)).streamEventType).toBe('complete')
  const kinds = new Set(conversation.viewer.events.map(({ streamEventType }) => streamEventType))
  expect(JSON.stringify(conversation.viewer.events)).not.toMatch(/warm/i)
  expect([...kinds].sort()).toEqual(['complete', 'kilocode', 'queued', 'started', 'status'])
  await expectKept(conversation, { [ack.executionId]: 'completed' })
  await expectAgentsOwn(conversation)
  conversation.viewer.close()
  await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId: session })
}

test.each([
  ['the server', async () => corral.kill().then(() => corral.start())],
  [
    'the supervisor',
    async ({ inside }: Conversation) => process.kill((await inside()).supervisor ?? expect.fail('none'), 'SIGKILL'),
  ],
  ['the agent', async ({ inside }: Conversation) => (await inside()).agents.map((pid) => process.kill(pid, 'SIGKILL'))],
  ['the sandbox', async ({ inside }: Conversation) => process.kill((await inside()).init, 'SIGKILL')],
])('%s is killed: the first message is answered, and nothing shows what was before', async (_, kill) => {
  const conversation = await warmingUp()
  await kill(conversation)
  await expectAnswered(conversation)
})

test('its supervisor is killed, and nobody sends a message: it warms up once more', async () => {
  const conversation = await warmingUp()
  process.kill((await conversation.inside()).supervisor ?? expect.fail('no supervisor'), 'SIGKILL')
  await statusToBe(conversation.session, 'idle')
  expect((await conversation.inside()).agents).toHaveLength(1)
  await expectAnswered(conversation)
})

test('a Stop has nothing to stop, and disturbs nothing', async () => {
  const conversation = await warmingUp()
  expect(await conversation.stop()).toEqual([])
  await statusToBe(conversation.session, 'idle')
  await expectAnswered(conversation)
})

test('the session is deleted: nothing of it is left', async () => {
  const { session, viewer } = await warmingUp()
  await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId: session })
  viewer.close()
  await eventually('the end of its sandbox', 30_000, async () =>
    (await readdir(join(corral.home, 'sandboxes'))).length === 0 ? true : null,
  )
  await expect(statusOf(session)).rejects.toMatchObject({ httpStatus: 404 })
})
