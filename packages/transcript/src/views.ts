/** Views of a transcript: what callers and programs read. Pure, and without state of their own. */
import type { ExecutionId } from '@corral/protocol'
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
