/**
 * What one event of the log changes in the transcript. Both the reducer and the server's tables are made from this,
 * so that there is one reading of the vocabulary.
 */
import {
  type Envelope,
  type ExecutionId,
  type MessageInfo,
  type Part,
  queuedDataSchema,
  vocabulary,
} from '@corral/protocol'

export type Change =
  | { change: 'message'; info: MessageInfo; executionId: ExecutionId | null }
  | { change: 'part'; part: Part; executionId: ExecutionId | null }
  | { change: 'delta'; messageId: string; partId: string; field: string; text: string }
  | { change: 'removeMessage'; messageId: string }
  | { change: 'removePart'; messageId: string; partId: string }

export type LogEvent = {
  seq: number
  type: Envelope['streamEventType']
  executionId?: ExecutionId | null | undefined
  data: unknown
  /** Unix milliseconds, by the server's clock. */
  at: number
}

export function changesOf(event: LogEvent): Change[] {
  if (event.type === 'queued') return queuedMessage(event)
  if (event.type !== 'kilocode') return []
  const { type, properties } = event.data as { type: string; properties: unknown }
  const executionId = event.executionId ?? null
  switch (type) {
    case 'message.updated':
      return [{ change: 'message', info: vocabulary[type].parse(properties).info, executionId }]
    case 'message.part.updated':
      return [{ change: 'part', part: vocabulary[type].parse(properties).part, executionId }]
    case 'message.part.delta': {
      const delta = vocabulary[type].parse(properties)
      return [
        { change: 'delta', messageId: delta.messageID, partId: delta.partID, field: delta.field, text: delta.delta },
      ]
    }
    case 'message.removed':
      return [{ change: 'removeMessage', messageId: vocabulary[type].parse(properties).messageID }]
    case 'message.part.removed': {
      const removed = vocabulary[type].parse(properties)
      return [{ change: 'removePart', messageId: removed.messageID, partId: removed.partID }]
    }
    default:
      return []
  }
}

/** The user's message is in the transcript from the moment it is queued; the agent's own account of it follows. */
function queuedMessage(event: LogEvent): Change[] {
  const { executionId, messageId, partId, agentSessionId, text } = queuedDataSchema.parse(event.data)
  return [
    {
      change: 'message',
      info: { id: messageId, sessionID: agentSessionId, role: 'user', time: { created: event.at } },
      executionId,
    },
    {
      change: 'part',
      part: { id: partId, sessionID: agentSessionId, messageID: messageId, type: 'text', text },
      executionId,
    },
  ]
}
