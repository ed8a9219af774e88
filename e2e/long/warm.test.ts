/**
 * An agent that is there before it is needed, and gone when it is not: a prepared session is warm for its first prompt and
 * shows nothing of how that came; what is idle is stopped, and the next message brings it back with its history.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { gate, play, say } from '../harness/script.ts'
import { bootMs, type Conversation, joinConversation } from '../kills/conversation.ts'

let corral: Installation
let conversation: Conversation
let agents: number[]

beforeAll(async () => {
  corral = await startInstallation()
  const repository = await makeRepository(join(corral.repositories, 'warm.git'), { 'README.md': 'Warm.\n' })
  const prepared = await corral.backEnd.call.prepareSession.mutate({
    ...{ prompt: play(say('One.')), mode: 'code', model: 'scripted/demo', gitUrl: repository },
  })
  conversation = joinConversation(corral, { ...prepared, repository })
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

const named = () => ({ cloudAgentSessionId: conversation.session })
const statusToBe = (what: 'agentStatus' | 'sandboxStatus', status: string, withinMs: number) =>
  eventually(`${what} ${status}`, withinMs, async () => {
    const view = await corral.corral.call.getSession.query(named())
    return view[what] === status ? view : null
  })

test('a prepared session becomes warm, and nothing tells of it but the steps of a start', async () => {
  await statusToBe('agentStatus', 'idle', bootMs)
  agents = (await conversation.inside()).agents
  expect(agents).toHaveLength(1)
  const { events } = conversation.viewer
  expect(new Set(events.map(({ streamEventType }) => streamEventType))).toEqual(new Set(['status']))
  expect(JSON.stringify(events)).not.toMatch(/warm/i)
  expect((await corral.corral.exportSession(conversation.session)).messages).toEqual([])
  expect(await corral.corral.call.getUsage.query(named())).toMatchObject({ calls: 0 })
})

test('its first prompt reaches the model without a start', async () => {
  const { executionId } = await corral.corral.call.initiateFromPreparedSession.mutate(named())
  expect((await conversation.ended(executionId)).streamEventType).toBe('complete')
  expect((await conversation.inside()).agents).toEqual(agents)
  const requests = await (await conversation.model()).requests()
  expect(requests.map(({ model, scenario, messages }) => [model, scenario, messages])).toEqual([['demo', 'play', 2]])
  const { messages } = await corral.corral.exportSession(conversation.session)
  expect(messages.map(({ info }) => info.role)).toEqual(['user', 'assistant'])

  const { steps } = await corral.corral.call.getTiming.query(named())
  const names = steps.map(({ name }) => name)
  for (const name of ['sandbox_create', 'supervisor_connect', 'clone', 'branch', 'agent_start', 'agent_session'])
    expect(names.indexOf(name as (typeof names)[number]), name).toBeLessThan(names.indexOf('queue_wait'))
  expect(names.slice(names.indexOf('queue_wait'))).toEqual(
    expect.arrayContaining(['prompt_send', 'first_event', 'agent_execution']),
  )
  expect(names.filter((name) => name === 'agent_start')).toHaveLength(1)
})

test('an agent that is idle is stopped, also after a Stop, and its sandbox later', async () => {
  await corral.stop()
  await corral.start({ CORRAL_TEST_TIMERS: 'agentIdleMs=1000,sandboxIdleMs=6000' })
  await conversation.send(play(say('Two. '), gate('two'), say('Never.')))
  await conversation.atGate('two')
  await conversation.stop()
  const { sandboxStatus } = await statusToBe('agentStatus', 'stopped', 20_000)
  expect(sandboxStatus).toBe('ready')
  await eventually('the end of the agent', 10_000, async () =>
    (await conversation.inside()).agents.length === 0 ? true : null,
  )
  await statusToBe('sandboxStatus', 'stopped', 20_000)
})

test('the next message brings both back, with what was said before', async () => {
  const execution = await conversation.send(play(say('Three.')))
  expect((await conversation.ended(execution)).streamEventType).toBe('complete')
  const asked = (await (await conversation.model()).requests()).at(-1)
  expect(asked?.lastUserText).toContain('Three.')
  expect(asked?.messages).toBeGreaterThanOrEqual(5)
})
