/** When turns of sessions that run elsewhere begin and end, for figures. */
import { newSessionId, type PushedItemType } from '@corral/protocol'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPushedTurns, type EndedTurn } from './turns.ts'

const minute = 60_000
const id = newSessionId()
let ended: EndedTurn[]
let turns: ReturnType<typeof createPushedTurns>

beforeEach(() => {
  vi.useFakeTimers()
  ended = []
  const timers = { pushedTurnMs: 5 * minute, executionMs: 120 * minute }
  turns = createPushedTurns({ timers, ended: (turn) => ended.push(turn) })
})
afterEach(() => vi.useRealTimers())

function push(form: number, ...items: [PushedItemType, Record<string, unknown>?][]): void {
  turns.pushed(id, { form, isNews: true, items: items.map(([type, data = {}]) => ({ type, data })) })
}

test('the agent says when its turn begins and how it ends', () => {
  push(2, ['session_open'], ['message'])
  vi.advanceTimersByTime(2 * minute)
  push(2, ['part'])
  vi.advanceTimersByTime(minute)
  push(2, ['session_close', { reason: 'error' }])
  expect(ended).toEqual([{ end: 'error', ms: 3 * minute }])
})

test('what is said again begins no second turn, and ends none twice', () => {
  push(2, ['session_open'])
  push(2, ['session_open'])
  push(2, ['session_close', { reason: 'completed' }])
  push(2, ['session_close', { reason: 'completed' }])
  expect(ended).toHaveLength(1)
  push(2, ['session_open'], ['session_close', { reason: 'completed' }])
  expect(ended, 'the next one').toHaveLength(2)
})

test('of the oldest form any news begins a turn, and five minutes of silence end it', () => {
  push(0, ['message'])
  vi.advanceTimersByTime(4 * minute)
  push(0, ['part'])
  vi.advanceTimersByTime(4 * minute)
  expect(ended).toEqual([])
  vi.advanceTimersByTime(minute)
  expect(ended).toEqual([{ end: 'silent', ms: 4 * minute }])
  turns.pushed(id, { form: 0, isNews: false, items: [{ type: 'message', data: {} }] })
  vi.advanceTimersByTime(10 * minute)
  expect(ended, 'what is pushed again is no turn').toHaveLength(1)
})

test('an agent that never says the end is over after as long as any turn may take', () => {
  push(1, ['session_open'])
  vi.advanceTimersByTime(30 * minute)
  expect(ended, 'a tool may take its time').toEqual([])
  vi.advanceTimersByTime(90 * minute)
  expect(ended).toEqual([{ end: 'silent', ms: 0 }])
})
