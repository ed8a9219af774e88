import type { KilocodeData } from '@corral/protocol'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { startTestAgent, type TestAgent } from '../../testing/agentServer.ts'
import { type AgentTimers, agentTimers } from '../timers.ts'
import { openFeed } from './feed.ts'
import { createProjection } from './projection.ts'
import { createTurn } from './turn.ts'

const root = 'ses_root'
const asked = 'msg_asked'
const timers: AgentTimers = {
  ...agentTimers,
  healthEveryMs: 100,
  healthProbeMs: 100,
  abortGraceMs: 300,
}

let agent: TestAgent
let told: KilocodeData[]
let feed: AbortController
let stop: AbortController
beforeEach(async () => {
  agent = await startTestAgent()
  told = []
  feed = new AbortController()
  stop = new AbortController()
})
afterEach(() => {
  feed.abort()
  agent.close()
})

const user = { info: { id: asked, sessionID: root, role: 'user', time: { created: 1 } }, parts: [] }
const answer = (change: Record<string, unknown>, text = 'the answer') => ({
  info: { id: 'msg_answer', sessionID: root, role: 'assistant', parentID: asked, time: { created: 2 }, ...change },
  parts: [{ id: 'prt_1', sessionID: root, messageID: 'msg_answer', type: 'text', text, time: { start: 2, end: 3 } }],
})
const finished = { time: { created: 2, completed: 3 } }

async function begin(change: Partial<AgentTimers> = {}) {
  const projection = createProjection({ root, coalesceMs: 10, emit: (data) => told.push(data) })
  const turn = createTurn({
    server: agent.server,
    root,
    messageId: asked,
    projection,
    timers: { ...timers, ...change },
  })
  await openFeed({
    api: agent.server.api,
    signal: feed.signal,
    log: () => undefined,
    handlers: {
      event(event) {
        projection.event(event)
        turn.event(event)
      },
      connected: (again) => {
        if (again) turn.feedBroke()
      },
    },
  })
  let over = false
  const end = turn.ended(stop.signal).finally(() => {
    over = true
  })
  return { end, over: () => over }
}

/** Until the agent was asked for its state once more: what it said before has been looked at. */
async function looked(): Promise<void> {
  const before = agent.calls.filter((call) => call === 'GET /session/status').length
  await vi.waitFor(() =>
    expect(agent.calls.filter((call) => call === 'GET /session/status').length).toBeGreaterThan(before),
  )
}

describe('the end of a turn', () => {
  it('is not the end of a sub-agent, nor an idle from before the prompt began', async () => {
    agent.messages[root] = [user]
    agent.statuses[root] = { type: 'busy' }
    const { end, over } = await begin({ healthEveryMs: 60_000 })
    agent.emit('session.created', { info: { id: 'ses_child', parentID: root } })
    agent.emit('session.idle', { sessionID: 'ses_child' })
    agent.emit('session.idle', { sessionID: root })
    await looked()
    expect(over()).toBe(false)
    delete agent.statuses[root]
    agent.emit('session.idle', { sessionID: root })
    await looked()
    expect(over()).toBe(false)
    agent.messages[root] = [user, answer(finished)]
    agent.emit('session.idle', { sessionID: root })
    expect(await end).toEqual({ result: 'completed' })
  })

  it('waits for the last state of the answer, and tells it though the feed did not', async () => {
    agent.messages[root] = [user, answer({}, 'half')]
    const { end } = await begin()
    agent.emit('session.idle', { sessionID: root })
    await looked()
    agent.messages[root] = [user, answer(finished, 'all of it')]
    expect(await end).toEqual({ result: 'completed' })
    expect(told.at(-1)).toMatchObject({ type: 'message.part.updated', properties: { part: { text: 'all of it' } } })
  })

  it('is found without its event, and with what sub-agents did, when the feed broke', async () => {
    agent.messages[root] = [user]
    agent.statuses[root] = { type: 'busy' }
    const { end } = await begin({ healthEveryMs: 60_000 })
    const child = {
      ...answer(finished, 'from below'),
      info: { ...answer(finished).info, sessionID: 'ses_child', id: 'msg_child' },
    }
    agent.children[root] = [
      { id: 'ses_earlier', time: { created: 1 } },
      { id: 'ses_child', time: { created: 2 } },
    ]
    agent.messages.ses_child = [child]
    agent.messages[root] = [user, answer(finished)]
    delete agent.statuses[root]
    agent.cutFeeds()
    expect(await end).toEqual({ result: 'completed' })
    expect(
      told.filter(({ type }) => type === 'message.updated').map(({ properties }) => Object(properties.info).id),
    ).toEqual(['msg_answer', 'msg_child'])
  })

  it('is an error of the agent that came before it began', async () => {
    agent.messages[root] = []
    const { end } = await begin()
    agent.emit('session.error', { sessionID: root, error: { name: 'UnknownError', data: { message: 'no such mode' } } })
    expect(await end).toEqual({
      result: 'failed',
      reason: 'agent_error',
      message: 'The agent reported an error. It said: no such mode',
    })
  })

  it('is the death of an agent that answers no probe', async () => {
    agent.messages[root] = [user]
    agent.statuses[root] = { type: 'busy' }
    const { end } = await begin()
    agent.freeze(true)
    expect(await end).toBe('gone')
  })
})

describe('a stop', () => {
  it('waits until the agent has ended its work, and tells the last state', async () => {
    agent.messages[root] = [user, answer({}, 'half')]
    agent.statuses[root] = { type: 'busy' }
    agent.onAbort(() => {
      delete agent.statuses[root]
      agent.messages[root] = [user, answer({ ...finished, error: { name: 'MessageAbortedError' } }, 'half')]
    })
    const { end } = await begin()
    stop.abort()
    expect(await end).toEqual({ result: 'stopped' })
    expect(told.map(({ type }) => type)).toEqual(['message.updated', 'message.part.updated'])
  })

  it('ends the process of an agent that does not stop', async () => {
    agent.messages[root] = [user, answer({})]
    agent.statuses[root] = { type: 'busy' }
    const { end } = await begin()
    stop.abort()
    expect(await end).toEqual({ result: 'stopped' })
    expect(await agent.server.ended).toBe('closed')
  })
})
