import type { ConversationAsk } from '@corral/client'
import { type ExecutionId, newExecutionId } from '@corral/protocol'
import type { TranscriptMessage, Turn } from '@corral/transcript'
import { describe, expect, test } from 'vitest'
import { rowsOf, waitingTurns } from './rows.ts'

const [one, two, three] = [newExecutionId(), newExecutionId(), newExecutionId()]
const message = (
  id: string,
  role: 'user' | 'assistant',
  executionId: ExecutionId,
  position: number,
): TranscriptMessage => ({
  ...{ info: { id, sessionID: 'ses_1', role, time: { created: 1 } }, executionId, position },
})
const turn = (executionId: ExecutionId, state: Turn['state'], more: Partial<Turn> = {}): Turn => ({
  ...{ executionId, state, messageId: `user ${executionId}`, queuedAt: 1, startedAt: null, endedAt: null },
  ...{ failure: null, steps: [], warnings: [], finalization: [], ...more },
})
const ask = (id: string, sessionID: string, tool?: object): ConversationAsk => ({
  ...{ id, kind: 'permission', executionId: one, state: 'open', askedAt: 1, answer: null },
  request: { id, sessionID, permission: 'bash', patterns: [], ...(tool && { tool }) },
})
const keys = (of: Partial<Parameters<typeof rowsOf>[0]>) =>
  rowsOf({ messages: [], turns: [], asks: [], begunBy: new Map(), ...of }).map(({ key }) => key)

const asked = message(`user ${one}`, 'user', one, 1)
const said = message('said', 'assistant', one, 5)

describe('the rows of a conversation', () => {
  test('are in the order of the log, each turn with how it stands at its end', () => {
    const later = [message(`user ${two}`, 'user', two, 9), message('said later', 'assistant', two, 10)]
    expect(keys({ messages: [...later, said, asked], turns: [turn(one, 'completed'), turn(two, 'running')] })).toEqual([
      ...[`user ${one}`, 'said', `turn ${one}`],
      ...[`user ${two}`, 'said later', `turn ${two}`],
    ])
  })

  test('show what is prepared behind the message that it is prepared for', () => {
    const steps = [{ step: 'clone', state: 'running', message: 'Cloning', at: 1, attempt: 1 }] as const
    expect(keys({ messages: [asked], turns: [turn(one, 'queued', { steps })] })).toEqual([
      ...[`user ${one}`, `preparation ${one}`, `turn ${one}`],
    ])
  })

  test('leave out what waits in the queue, until it is its turn or it was canceled', () => {
    const messages = [asked, message(`user ${two}`, 'user', two, 2), message(`user ${three}`, 'user', three, 3)]
    const turns = [turn(one, 'running'), turn(two, 'interrupted'), turn(three, 'queued')]
    expect(keys({ messages, turns })).toEqual([`user ${one}`, `turn ${one}`, `user ${two}`, `turn ${two}`])
    expect(waitingTurns(turns).map(({ executionId }) => executionId)).toEqual([three])
    expect(waitingTurns([turn(three, 'queued')])).toEqual([])
  })

  test('have an ask where it is asked, a sub-agent’s where that was begun, and any other at the end of the turn', () => {
    const asks = [ask('a', 'ses_1', { messageID: 'said' }), ask('b', 'ses_child'), ask('c', 'ses_unknown')]
    const begunBy = new Map([['ses_child', asked.info.id]])
    expect(keys({ messages: [asked, said], turns: [turn(one, 'running')], asks, begunBy })).toEqual([
      ...[`user ${one}`, 'ask b', 'said', 'ask a', 'ask c', `turn ${one}`],
    ])
  })
})
