/** Views of a transcript: what callers and programs read. Pure, and without state of their own. */
import type { ExecutionId, SessionExport } from '@corral/protocol'
import { orderedMessages, type Transcript } from './transcript.ts'

/** The last assistant message of an execution that has text, its text parts joined; sub-agents do not count. */
export function assistantText(
  transcript: Transcript,
  which: { executionId: ExecutionId; agentSessionId: string },
): { messageId: string; text: string } | null {
  for (const { message, parts } of orderedMessages(transcript).toReversed()) {
    const { info, executionId } = message
    if (executionId !== which.executionId || info.role !== 'assistant' || info.sessionID !== which.agentSessionId) {
      continue
    }
    const text = parts.map((part) => (part.type === 'text' && typeof part.text === 'string' ? part.text : '')).join('')
    if (text !== '') return { messageId: info.id, text }
  }
  return null
}

/** OpenCode's own form of an exported session, which `opencode import` reads. Sub-agents' messages are not in it. */
export function exportOf(
  transcript: Transcript,
  session: {
    agentSessionId: string
    title: string
    directory: string
    createdAt: number
    updatedAt: number
    version: string
  },
): SessionExport {
  return {
    info: {
      id: session.agentSessionId,
      title: session.title,
      version: session.version,
      directory: session.directory,
      time: { created: session.createdAt, updated: session.updatedAt },
    },
    messages: orderedMessages(transcript)
      .filter(({ message }) => message.info.sessionID === session.agentSessionId)
      .map(({ message, parts }) => ({ info: message.info, parts })),
  }
}
