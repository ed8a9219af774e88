import { newExecutionId } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import { reduce } from './reduce.ts'
import { numbered, type SentEvent } from './testing/randomLog.ts'
import { emptyTranscript } from './transcript.ts'
import { assistantText } from './views.ts'

const executionId = newExecutionId()
const agentSessionId = 'ses_root'
const data = { executionId, messageId: 'u', partId: 'pu', agentSessionId, text: 'Mend it' }
const queued: SentEvent = { type: 'queued', executionId, data }
const answer = (id: string, texts: string[], sessionID = agentSessionId): SentEvent[] => {
  const kilocode = (type: string, properties: object) => ({
    type: 'kilocode' as const,
    executionId,
    data: { type, properties },
  })
  return [
    kilocode('message.updated', { info: { id, sessionID, role: 'assistant', time: { created: 1 } } }),
    ...texts.map((text, i) =>
      kilocode('message.part.updated', { part: { id: `${id}.${i}`, sessionID, messageID: id, type: 'text', text } }),
    ),
    kilocode('message.part.updated', { part: { id: `${id}.t`, sessionID, messageID: id, type: 'tool', text: 'no' } }),
  ]
}
const transcriptOf = (events: SentEvent[]) => reduce(emptyTranscript, numbered(events))
const textOf = (events: SentEvent[]) => assistantText(transcriptOf(events), { executionId, agentSessionId })

describe('the text of an execution', () => {
  test('is that of its last message with text', () => {
    expect(textOf([queued, ...answer('a', ['Looking.']), ...answer('b', ['Do', 'ne.']), ...answer('c', [])])).toEqual({
      messageId: 'b',
      text: 'Done.',
    })
  })

  test('is not that of a sub-agent, of the user, or of another execution', () => {
    expect(textOf([queued, ...answer('a', ['Found it.'], 'ses_sub')])).toBeNull()
    const others = answer('a', ['Done.']).map((event) => ({ ...event, executionId: newExecutionId() }))
    expect(textOf([queued, ...others])).toBeNull()
  })
})
