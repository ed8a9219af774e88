/** For property tests: random logs in the vocabulary, over so few messages and parts that everything happens to each. */
import { type ExecutionId, newExecutionId, type StreamEventType } from '@corral/protocol'
import fc from 'fast-check'
import type { LogEvent } from '../change.ts'

/** An event before it has its number. */
export type SentEvent = { type: StreamEventType; executionId?: ExecutionId; data: unknown }

/** Ids are the agent's, so they may hold anything; a message keeps its role for life. */
const messages = [
  { id: 'a', role: 'assistant' },
  { id: 'a b', role: 'assistant' },
  { id: 'a/b', role: 'user' },
]
const executions = [newExecutionId(), newExecutionId()]
const agentSessionId = 'ses_root'

const message = fc.constantFrom(...messages)
const partID = fc.constantFrom('b', 'b c', 'c')
const text = fc.string({ unit: 'grapheme', maxLength: 6 })
const execution = fc.option(fc.constantFrom(...executions), { nil: undefined, freq: 3 })

const kilocode = (properties: fc.Arbitrary<object>, type: string) =>
  fc.record({
    type: fc.constant('kilocode' as const),
    executionId: execution,
    data: properties.map((p) => ({ type, properties: p })),
  })

const messageUpdated = kilocode(
  fc.record({ message, cost: fc.nat(9) }).map(({ message: { id, role }, cost }) => ({
    info: { id, sessionID: agentSessionId, role, time: { created: 1 }, cost },
  })),
  'message.updated',
)
const partUpdated = kilocode(
  fc
    .record(
      {
        id: partID,
        sessionID: fc.constant(agentSessionId),
        messageID: message.map(({ id }) => id),
        type: fc.constantFrom('text', 'text', 'reasoning', 'tool'),
        text,
        time: fc.constantFrom({ start: 1 }, { start: 1 }, { start: 1, end: 2 }),
      },
      { requiredKeys: ['id', 'sessionID', 'messageID', 'type'] },
    )
    .map((part) => ({ part })),
  'message.part.updated',
)
const partDelta = kilocode(
  fc.record({
    sessionID: fc.constant(agentSessionId),
    messageID: message.map(({ id }) => id),
    partID,
    field: fc.constantFrom('text', 'text', 'text', 'id', '__proto__'),
    delta: text,
  }),
  'message.part.delta',
)
const partRemoved = kilocode(
  fc.record({ sessionID: fc.constant(agentSessionId), messageID: message.map(({ id }) => id), partID }),
  'message.part.removed',
)
const messageRemoved = kilocode(
  fc.record({ sessionID: fc.constant(agentSessionId), messageID: message.map(({ id }) => id) }),
  'message.removed',
)
const unrelated = fc.constantFrom<SentEvent>(
  { type: 'output', data: { content: 'npm ci', source: 'stdout' } },
  { type: 'status', data: { message: 'Cloning' } },
  {
    type: 'kilocode',
    data: { type: 'session.status', properties: { sessionID: agentSessionId, status: { type: 'busy' } } },
  },
)
const queued = fc
  .record({ executionId: fc.constantFrom(...executions), partId: partID, text })
  .map(({ executionId, partId, text }) => ({
    type: 'queued' as const,
    executionId,
    data: { executionId, messageId: 'a/b', partId, agentSessionId, text },
  }))

export const sentEvents: fc.Arbitrary<SentEvent[]> = fc.array(
  fc.oneof<fc.WeightedArbitrary<SentEvent>[]>(
    { weight: 4, arbitrary: messageUpdated },
    { weight: 8, arbitrary: partUpdated },
    { weight: 16, arbitrary: partDelta },
    { weight: 2, arbitrary: partRemoved },
    { weight: 1, arbitrary: messageRemoved },
    { weight: 2, arbitrary: queued },
    { weight: 2, arbitrary: unrelated },
  ),
  { maxLength: 60, size: 'max' },
)

export const numbered = (events: readonly SentEvent[]): LogEvent[] =>
  events.map((event, i) => ({ ...event, seq: i + 1, at: 1_700_000_000_000 + i }))
