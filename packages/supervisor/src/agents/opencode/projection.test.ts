import type { KilocodeData } from '@corral/protocol'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AgentMessage } from './api.ts'
import { agentMessageId, knownAgentMessageId, toOurIds } from './messageIds.ts'
import { createProjection } from './projection.ts'

const root = 'ses_root'
let told: KilocodeData[]
const create = () => createProjection({ root, coalesceMs: 150, emit: (data) => told.push(data) })

beforeEach(() => {
  told = []
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const event = (type: string, properties: Record<string, unknown>) => ({ type, properties })
const partUpdated = (part: Record<string, unknown>, sessionID = root) =>
  event('message.part.updated', { sessionID, part: { sessionID, messageID: 'msg_1', ...part } })
const tool = (status: string, output: string) =>
  partUpdated({ id: 'prt_tool', type: 'tool', state: { status, metadata: { output } } })
const outputs = () => told.map(({ properties }) => Object(properties.part).state?.metadata.output)

describe('what is told of the feed', () => {
  it('is of the root session and its sub-agents, however deep, and of nobody else', () => {
    const projection = create()
    projection.event(event('session.created', { info: { id: 'ses_child', parentID: root } }))
    projection.event(event('session.created', { info: { id: 'ses_grandchild', parentID: 'ses_child' } }))
    projection.event(event('session.created', { info: { id: 'ses_stranger' } }))
    for (const sessionID of [root, 'ses_child', 'ses_grandchild', 'ses_stranger'])
      projection.event(event('todo.updated', { sessionID, todos: [] }))
    projection.event(event('file.watcher.updated', { sessionID: root }))
    expect(told.map(({ type, properties }) => `${type} ${properties.sessionID ?? Object(properties.info).id}`)).toEqual(
      [
        'session.created ses_child',
        'session.created ses_grandchild',
        'todo.updated ses_root',
        'todo.updated ses_child',
        'todo.updated ses_grandchild',
      ],
    )
  })

  it('repeats growing tool output once per 150 ms, and always has its last state', () => {
    const projection = create()
    for (let i = 1; i <= 10; i++) {
      projection.event(tool('running', `line ${i}`))
      vi.advanceTimersByTime(40)
    }
    expect(outputs()).toEqual(['line 1', 'line 4', 'line 8'])
    vi.advanceTimersByTime(150)
    expect(outputs()).toEqual(['line 1', 'line 4', 'line 8', 'line 10'])
    projection.event(tool('running', 'line 11'))
    projection.event(tool('completed', 'all'))
    vi.advanceTimersByTime(1_000)
    expect(outputs().slice(-1)).toEqual(['all'])
    expect(outputs()).not.toContain('line 11')
  })

  it('has no stale state of a tool after its part was removed', () => {
    const projection = create()
    projection.event(tool('running', 'a'))
    projection.event(tool('running', 'b'))
    projection.event(event('message.part.removed', { sessionID: root, messageID: 'msg_1', partID: 'prt_tool' }))
    vi.advanceTimersByTime(1_000)
    expect(told.map(({ type }) => type)).toEqual(['message.part.updated', 'message.part.removed'])
  })

  it('has no delta after the end of its part', () => {
    const projection = create()
    const delta = event('message.part.delta', {
      sessionID: root,
      messageID: 'msg_1',
      partID: 'prt_1',
      field: 'text',
      delta: 'x',
    })
    projection.event(delta)
    projection.event(partUpdated({ id: 'prt_1', type: 'text', text: 'x', time: { start: 1, end: 2 } }))
    projection.event(delta)
    expect(told.map(({ type }) => type)).toEqual(['message.part.delta', 'message.part.updated'])
  })
})

describe('what is told of the history', () => {
  const message = (parts: Record<string, unknown>[]): AgentMessage => ({
    info: { id: 'msg_1', sessionID: root, role: 'assistant', time: { created: 1, completed: 2 } },
    parts: parts.map((part) => ({ id: 'prt_1', sessionID: root, messageID: 'msg_1', type: 'text', ...part })),
  })

  it('is what the feed did not say, whatever the order of members', () => {
    const projection = create()
    const part = { text: 'hello', time: { start: 1, end: 2 } }
    projection.event(partUpdated({ ...part, type: 'text', id: 'prt_1' }))
    projection.history(message([part, { ...part, id: 'prt_2' }]))
    projection.history(message([part, { ...part, id: 'prt_2' }]))
    expect(told.map(({ type, properties }) => [type, Object(properties.part ?? properties.info).id])).toEqual([
      ['message.part.updated', 'prt_1'],
      ['message.updated', 'msg_1'],
      ['message.part.updated', 'prt_2'],
    ])
  })

  it('leaves out a text that is still being written, whose deltas are ahead of it', () => {
    const projection = create()
    projection.history(message([{ text: '', time: { start: 1 } }]))
    expect(told.map(({ type }) => type)).toEqual(['message.updated'])
  })
})

describe("the agent's id of our message", () => {
  it('is new at delivery, and ours again in all that comes back', () => {
    const ours = 'msg_000000000000AAAAAAAAAAAAAA'
    const agents = agentMessageId(ours)
    expect(agents > ours).toBe(true)
    expect(toOurIds(JSON.stringify({ id: agents, parentID: agents }))).toBe(
      JSON.stringify({ id: ours, parentID: ours }),
    )
    expect(knownAgentMessageId(`{"id":"${agents}"}`, ours)).toBe(agents)
    expect(knownAgentMessageId(`{"id":"${agents}"}`, 'msg_000000000000BBBBBBBBBBBBBB')).toBe(undefined)
  })
})
