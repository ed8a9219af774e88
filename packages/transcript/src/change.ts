/**
 * What one event of the log changes in the transcript. The reducer and the server's tables are both made from this,
 * so that there is one reading of the vocabulary.
 */
import {
  type Envelope,
  type ExecutionId,
  type MessageInfo,
  type Part,
  queuedDataSchema,
  type StreamEventType,
  vocabulary,
} from '@corral/protocol'
import { z } from 'zod'

export type Change =
  | { change: 'message'; info: MessageInfo; executionId: ExecutionId | null }
  | { change: 'part'; part: Part }
  | { change: 'delta'; messageId: string; partId: string; text: string }
  | { change: 'removeMessage'; messageId: string }
  | { change: 'removePart'; messageId: string; partId: string }

/** An event as the log holds it: what the server reads from its rows, and a client from an envelope. */
export type LogEvent = {
  seq: number
  type: StreamEventType
  executionId?: ExecutionId | null | undefined
  data: unknown
  /** Unix milliseconds, by the server's clock. */
  at: number
}

export const logEventOf = ({ eventId, streamEventType, executionId, data, timestamp }: Envelope): LogEvent => ({
  seq: eventId,
  type: streamEventType,
  executionId,
  data,
  at: Date.parse(timestamp),
})

const kilocodeSchema = z.object({ type: z.string(), properties: z.unknown() })

export function changesOf(event: LogEvent): Change[] {
  if (event.type === 'queued') return queuedMessage(event)
  if (event.type !== 'kilocode') return []
  const { type, properties } = kilocodeSchema.parse(event.data)
  switch (type) {
    case 'message.updated': {
      const { info } = vocabulary[type].parse(properties)
      return [{ change: 'message', info, executionId: event.executionId ?? null }]
    }
    case 'message.part.updated':
      return [{ change: 'part', part: vocabulary[type].parse(properties).part }]
    case 'message.part.delta': {
      const { messageID, partID, field, delta } = vocabulary[type].parse(properties)
      // What else may grow in some agent's parts comes with their next full update.
      return field === 'text' ? [{ change: 'delta', messageId: messageID, partId: partID, text: delta }] : []
    }
    case 'message.removed':
      return [{ change: 'removeMessage', messageId: vocabulary[type].parse(properties).messageID }]
    case 'message.part.removed': {
      const { messageID, partID } = vocabulary[type].parse(properties)
      return [{ change: 'removePart', messageId: messageID, partId: partID }]
    }
    default:
      return []
  }
}

/** The user's message is in the transcript from the moment it is queued; the agent's own account of it follows. */
function queuedMessage(event: LogEvent): Change[] {
  const queued = queuedDataSchema.parse(event.data)
  const { executionId, messageId, partId, agentSessionId, text, agent, model } = queued
  const info: MessageInfo = {
    ...{ id: messageId, sessionID: agentSessionId, role: 'user', time: { created: event.at } },
    ...(agent !== undefined && { agent }),
    ...(model !== undefined && { model }),
  }
  const part: Part = { id: partId, sessionID: agentSessionId, messageID: messageId, type: 'text', text }
  return [
    { change: 'message', info, executionId },
    { change: 'part', part },
  ]
}
