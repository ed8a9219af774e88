import { expect, test } from 'vitest'
import { defaultTimers } from '../config.ts'
import {
  type AttemptOutcome,
  type CallbackFacts,
  decideCallback,
  maxAttempts,
  stateAfter,
  withAttempt,
} from './decide.ts'

const now = new Date('2026-01-01T00:00:00Z')
const ago = (ms: number) => new Date(now.getTime() - ms)
const callback = (facts: Partial<CallbackFacts>): CallbackFacts => ({
  state: 'pending',
  attemptsLeft: maxAttempts,
  attemptedAt: null,
  createdAt: ago(1_000),
  finalization: 'none',
  ...facts,
})
const next = (facts: Partial<CallbackFacts>) => decideCallback(callback(facts), now, defaultTimers)
const inMs = (ms: number) => ({ do: 'wait', until: new Date(now.getTime() + ms) })

test('what is owed is told at once, unless a finalization is to come', () => {
  expect(next({ state: 'waiting', finalization: 'none' })).toEqual({ do: 'fixBody' })
  expect(next({ state: 'waiting', finalization: 'done' })).toEqual({ do: 'fixBody' })
  expect(next({ state: 'waiting', finalization: null })).toEqual({ do: 'fixBody' })
})

test('a finalization is waited for three minutes', () => {
  expect(next({ state: 'waiting', finalization: 'pending' })).toEqual(inMs(179_000))
  expect(next({ state: 'waiting', finalization: 'pending', createdAt: ago(180_000) })).toEqual({ do: 'fixBody' })
})

test('the first attempt comes at once, the others after 1, 2, 4 and 8 minutes', () => {
  expect(next({})).toEqual({ do: 'attempt' })
  for (const [index, minutes] of [1, 2, 4, 8].entries()) {
    const after = { attemptsLeft: maxAttempts - 1 - index }
    expect(next({ ...after, attemptedAt: ago(0) })).toEqual(inMs(minutes * 60_000))
    expect(next({ ...after, attemptedAt: ago(minutes * 60_000) })).toEqual({ do: 'attempt' })
  }
})

test('a redelivery of what was tried long ago or just now begins at once', () => {
  expect(next({ attemptedAt: ago(5) })).toEqual({ do: 'attempt' })
})

test('what is over is kept 30 days', () => {
  const days = (count: number) => count * 24 * 60 * 60_000
  expect(next({ state: 'dead', attemptedAt: ago(days(29)) })).toEqual(inMs(days(1)))
  expect(next({ state: 'delivered', attemptedAt: ago(days(30)) })).toEqual({ do: 'forget' })
})

test.each<[AttemptOutcome, string, string]>([
  [{ status: 200 }, 'delivered', 'delivered'],
  [{ status: 204 }, 'delivered', 'delivered'],
  [{ status: 302 }, 'dead', 'dead'],
  [{ status: 400 }, 'dead', 'dead'],
  [{ status: 410 }, 'dead', 'dead'],
  [{ status: 429 }, 'pending', 'dead'],
  [{ status: 500 }, 'pending', 'dead'],
  [{ status: 503 }, 'pending', 'dead'],
  [{ error: 'timeout' }, 'pending', 'dead'],
  [{ error: 'connection_reset' }, 'pending', 'dead'],
  [{ error: 'name_not_resolved' }, 'pending', 'dead'],
  [{ error: 'target_refused' }, 'dead', 'dead'],
  [{ error: 'target_unreadable' }, 'dead', 'dead'],
])('after %j it is %s, and after the last attempt %s', (outcome, state, last) => {
  expect([stateAfter(outcome, 1), stateAfter(outcome, 0)]).toEqual([state, last])
})

test('the newest fifty attempts are kept', () => {
  let attempts = withAttempt([], { at: 0, status: 500 })
  for (let at = 1; at < 60; at++) attempts = withAttempt(attempts, { at, status: 500 })
  expect(attempts.map(({ at }) => at)).toEqual(Array.from({ length: 50 }, (_, index) => index + 10))
})
