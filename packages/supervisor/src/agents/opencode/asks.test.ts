import { type AskAnswer, defaultPermissions, newExecutionId, newSessionId, type Permissions } from '@corral/protocol'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { startTestAgent, type TestAgent } from '../../testing/agentServer.ts'
import { type Asks, createAsks } from './asks.ts'
import type { FeedEvent } from './feed.ts'

let agent: TestAgent
let told: string[]
let gone: string[]
beforeEach(async () => {
  agent = await startTestAgent()
  told = []
  gone = []
})
afterEach(() => agent.close())

const permission = (id: string, pattern = 'ls') => ({
  id,
  sessionID: 'ses_1',
  permission: 'bash',
  patterns: [pattern],
  metadata: {},
  always: [],
})
const question = (id: string) => ({ id, sessionID: 'ses_1', questions: [{ question: 'Which?', options: [] }] })

function asksOf(permissions: Permissions, alwaysAllowed: { tool: string; pattern: string }[] = []): Asks {
  const asks: Asks = createAsks({
    api: agent.server.api,
    policy: { permissions, alwaysAllowed },
    tell(event: FeedEvent) {
      told.push(`${event.type} ${event.properties.id}`)
      asks.event(event)
    },
    gone: (id) => gone.push(id),
    log: () => undefined,
  })
  return asks
}
const asking: Permissions = {
  default: 'auto',
  rules: [
    { tool: 'bash', action: 'ask' },
    { tool: 'bash', pattern: 'rm *', action: 'deny' },
    { tool: 'question', action: 'ask' },
  ],
}
const replies = () => agent.calls.filter((call) => call.startsWith('POST'))
const answered = (what: string) => vi.waitFor(() => expect(replies()).toContain(what))
const params = (askId: string, answer: AskAnswer) => ({
  session: newSessionId(),
  executionId: newExecutionId(),
  askId,
  answer,
})

describe('what the agent asks', () => {
  it('waits for people where the policy says so', async () => {
    agent.permissions.push(permission('per_1'))
    const asks = asksOf(asking)
    asks.event({ type: 'permission.asked', properties: permission('per_1') })
    asks.event({ type: 'question.asked', properties: question('que_1') })
    await asks.compare()
    expect(replies()).toEqual([])
  })

  it('is answered by the policy where it does not, at once', async () => {
    agent.permissions.push(permission('per_1'), permission('per_2', 'rm x'))
    agent.questions.push(question('que_1'))
    const nobody = asksOf(defaultPermissions)
    nobody.event({ type: 'permission.asked', properties: permission('per_1') })
    nobody.event({ type: 'question.asked', properties: question('que_1') })
    await answered('POST /permission/per_1/reply')
    await answered('POST /question/que_1/reject')
    asksOf(asking).event({ type: 'permission.asked', properties: permission('per_2', 'rm x') })
    await answered('POST /permission/per_2/reply')
  })

  it('is allowed where people have allowed it for good', async () => {
    agent.permissions.push(permission('per_1'))
    asksOf(asking, [{ tool: 'bash', pattern: 'ls' }]).event({
      type: 'permission.asked',
      properties: permission('per_1'),
    })
    await answered('POST /permission/per_1/reply')
  })
})

describe('an answer', () => {
  it('arrives once: what is sent again is gone', async () => {
    agent.permissions.push(permission('per_1'))
    agent.questions.push(question('que_1'), question('que_2'))
    const asks = asksOf(asking)
    const reply = params('per_1', { kind: 'reply', reply: 'once' })
    expect([await asks.answer(reply), await asks.answer(reply)]).toEqual(['taken', 'gone'])
    expect(await asks.answer(params('que_1', { kind: 'answers', answers: [['A']] }))).toBe('taken')
    expect(await asks.answer(params('que_2', { kind: 'rejected' }))).toBe('taken')
    expect(replies()).toEqual([
      'POST /permission/per_1/reply',
      'POST /permission/per_1/reply',
      'POST /question/que_1/reply',
      'POST /question/que_2/reject',
    ])
  })

  it('that the agent does not take for another reason is no news of the ask', async () => {
    agent.close()
    await expect(asksOf(asking).answer(params('per_1', { kind: 'reply', reply: 'once' }))).rejects.toThrow()
  })
})

it('after a feed that broke: what was missed is told, what is gone is said to be', async () => {
  const asks = asksOf(asking)
  asks.event({ type: 'permission.asked', properties: permission('per_kept') })
  asks.event({ type: 'permission.asked', properties: permission('per_gone') })
  asks.event({ type: 'question.asked', properties: question('que_closed') })
  asks.event({ type: 'question.rejected', properties: { sessionID: 'ses_1', requestID: 'que_closed' } })
  agent.permissions.push(permission('per_kept'))
  agent.questions.push(question('que_missed'))
  await asks.compare()
  await asks.compare()
  expect(told).toEqual(['question.asked que_missed'])
  expect(gone).toEqual(['per_gone'])
})

it('lets the agent go on from what it suggests: people take that up by a message', async () => {
  const asks = asksOf(asking)
  const actions = [{ label: 'Review', prompt: '/review' }]
  asks.event({ type: 'suggestion.shown', properties: { id: 'sug_1', sessionID: 'ses_1', text: 'And now?', actions } })
  await vi.waitFor(() => expect(agent.calls).toContain('POST /suggestion/sug_1/dismiss'))
  expect(gone).toEqual([])
})
