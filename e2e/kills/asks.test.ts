/**
 * Asks while what carries them is killed, frozen or cut off: an open one outlives the server, an answer that was
 * recorded arrives once, and what nobody can answer any more says so.
 */
import { join } from 'node:path'
import type { AskView, ExecutionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { ask, bash, play, say } from '../harness/script.ts'
import { toolOutputs } from '../harness/tools.ts'
import { answered, bootMs, type Conversation, joinConversation } from './conversation.ts'
import { answerOf, expectAgentsOwn, expectKept } from './kept.ts'

let corral: Installation
let conversation: Conversation
/** How each execution ended so far. */
const ends: Record<ExecutionId, string> = {}

beforeAll(async () => {
  corral = await startInstallation()
  const repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  const ack = await corral.corral.call.start.mutate({
    prompt: play(say('Hello.')),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    permissions: {
      default: 'auto',
      rules: [
        { tool: 'bash', action: 'ask' },
        { tool: 'question', action: 'ask' },
      ],
    },
  })
  conversation = joinConversation(corral, { ...ack, repository })
  ends[ack.executionId] = 'completed'
  await conversation.ended(ack.executionId)
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

const asks = async (): Promise<AskView[]> => {
  const { call } = corral.corral
  return (await answered(() => call.listAsks.query({ cloudAgentSessionId: conversation.session }))).asks
}
const openAsk = (): Promise<AskView> =>
  eventually('an open ask', bootMs, async () => (await asks()).find(({ state }) => state === 'open') ?? null)

const permit = (permissionId: string, reply: 'once' | 'reject' = 'once') =>
  corral.corral.call.answerPermission.mutate({ cloudAgentSessionId: conversation.session, permissionId, reply })
const answer = (questionId: string, ...answers: string[][]) =>
  corral.corral.call.answerQuestion.mutate({ cloudAgentSessionId: conversation.session, questionId, answers })

async function supervisor(): Promise<number> {
  return (await conversation.inside()).supervisor ?? expect.fail('no supervisor')
}

async function completes(execution: ExecutionId): Promise<void> {
  ends[execution] = 'completed'
  expect((await conversation.ended(execution)).streamEventType).toBe('complete')
}

/** The closing events that the log has of an ask. */
async function closings({ id }: AskView): Promise<string[]> {
  const rows = await conversation.records.events(conversation.session)
  return rows.flatMap(({ data }) => {
    const { type, properties } = JSON.parse(data)
    return properties?.requestID === id ? [`${type} by ${properties.by}`] : []
  })
}

test('the server, with an ask open: it is still open, and the turn goes on with its answer', async () => {
  const execution = await conversation.send(play(bash('echo one >> one.txt; cat one.txt'), say('Seen.')))
  const open = await openAsk()
  await corral.kill()
  await corral.start()
  expect(await openAsk()).toEqual(open)
  await permit(open.id)
  await completes(execution)
  expect(toolOutputs(conversation.viewer, execution)).toEqual(['one\n'])
  expect(await closings(open)).toEqual(['permission.replied by user'])
  await expectKept(conversation, ends)
})

test('the link, while an ask is open: the answer is recorded, and arrives once when the link is back', async () => {
  const execution = await conversation.send(play(bash('echo two >> two.txt; cat two.txt'), say('Seen.')))
  const open = await openAsk()
  const frozen = await supervisor()
  process.kill(frozen, 'SIGSTOP')
  try {
    await permit(open.id)
    expect((await asks()).find(({ id }) => id === open.id)).toMatchObject({ state: 'answered' })
    await expect(permit(open.id, 'reject')).rejects.toMatchObject({ reason: 'already_answered' })
    // Sent into silence, and again: the supervisor will find several.
    const tries = new Set<number>()
    await eventually('the second try', 20_000, async () => {
      const sentAt = await conversation.records.answerSentAt(conversation.session, open.id)
      if (sentAt !== null) tries.add(sentAt)
      return tries.size > 1 || null
    })
  } finally {
    process.kill(frozen, 'SIGCONT')
  }
  await completes(execution)
  expect(toolOutputs(conversation.viewer, execution)).toEqual(['two\n'])
  expect(await closings(open)).toEqual(['permission.replied by user'])
  await expectKept(conversation, ends)
})

test('the server, between the answer and the agent: the next one hands it over', async () => {
  const execution = await conversation.send(play(ask('Which color?', 'Red', 'Blue'), say('Thank you.')))
  const open = await openAsk()
  const frozen = await supervisor()
  process.kill(frozen, 'SIGSTOP')
  try {
    await answer(open.id, ['Blue'])
    await corral.kill()
  } finally {
    process.kill(frozen, 'SIGCONT')
  }
  await corral.start()
  await completes(execution)
  expect(toolOutputs(conversation.viewer, execution)).toEqual([expect.stringContaining('Blue')])
  expect(await closings(open)).toEqual(['question.replied by user'])
  await expectKept(conversation, ends)
})

test.each(['supervisor', 'agent'] as const)('the %s, with an ask open: nobody can answer it any more', async (what) => {
  const execution = await conversation.send(play(say('I ask. '), ask('Still there?'), say('Never.')))
  const open = await openAsk()
  const inside = await conversation.inside()
  process.kill((what === 'agent' ? inside.agents[0] : inside.supervisor) ?? expect.fail(`no ${what}`), 'SIGKILL')
  ends[execution] = 'agent_restarted'
  expect(await conversation.ended(execution)).toMatchObject({ data: { reason: 'agent_restarted' } })
  await expect(answered(() => answer(open.id, ['Yes']))).rejects.toMatchObject({ reason: 'no_longer_open' })
  expect(await closings(open)).toEqual(['question.rejected by end'])
  await expectKept(conversation, ends)
})

test('the sandbox, with an ask open: the same, and the next message asks anew', async () => {
  const execution = await conversation.send(play(ask('Still there?'), say('Never.')))
  const open = await openAsk()
  process.kill((await conversation.inside()).init, 'SIGKILL')
  ends[execution] = 'sandbox_lost'
  expect(await conversation.ended(execution)).toMatchObject({ data: { reason: 'sandbox_lost' } })
  await expect(answered(() => answer(open.id, ['Yes']))).rejects.toMatchObject({ reason: 'no_longer_open' })

  const next = await conversation.send(play(ask('And now?'), say('Good.')))
  await answer((await openAsk()).id, ['Yes'])
  await completes(next)
  expect(answerOf(conversation, next)).toBe('Good.')
  await expectKept(conversation, ends)
  await expectAgentsOwn(conversation)
})
