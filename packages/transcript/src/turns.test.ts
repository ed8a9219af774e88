import { type ExecutionId, newExecutionId, type StreamEventType } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import type { LogEvent } from './change.ts'
import { turnsOf } from './turns.ts'

const [one, two] = [newExecutionId(), newExecutionId()]
let seq = 0
const event = (type: StreamEventType, executionId: ExecutionId | null, data: object = {}): LogEvent => {
  seq += 1
  return { seq, type, executionId, data, at: 1_000 * seq }
}
const queued = (executionId: ExecutionId) =>
  event('queued', executionId, {
    ...{ executionId, messageId: `msg_${executionId}`, partId: 'prt_1', agentSessionId: 'ses_1', text: 'Do it' },
  })
const started = (executionId: ExecutionId) => event('started', executionId, { executionId })
const step = (executionId: ExecutionId | null, name: string, state: string, more: object = {}) =>
  event('status', executionId, { message: `${name} …`, step: name, state, ...more })

const states = (events: LogEvent[]) => turnsOf(events).map(({ state }) => state)

describe('turns', () => {
  test('come, begin and end in the order in which they were queued', () => {
    expect(states([queued(one), queued(two), started(one)])).toEqual(['running', 'queued'])
    expect(states([queued(one), started(one), event('complete', one)])).toEqual(['completed'])
    expect(states([queued(one), event('interrupted', one)])).toEqual(['interrupted'])
  })

  test('that failed say why', () => {
    const [turn] = turnsOf([queued(one), event('error', one, { error: 'No such branch.', reason: 'branch_not_found' })])
    expect(turn).toMatchObject({
      state: 'failed',
      failure: { reason: 'branch_not_found', message: 'No such branch.' },
      endedAt: 1_000 * seq,
    })
  })

  test('go on after an error that ends nothing', () => {
    const [turn] = turnsOf([queued(one), started(one), event('error', one, { error: 'A hiccup.' })])
    expect(turn).toMatchObject({ state: 'running', failure: null, warnings: ['A hiccup.'] })
  })

  test('show each step of their preparation once, as it was told last', () => {
    const [turn] = turnsOf([
      queued(one),
      step(one, 'clone', 'running'),
      step(one, 'clone', 'ok', { durationMs: 12 }),
      step(one, 'setup', 'running', { message: 'npm ci' }),
      step(one, 'setup', 'ok', { message: 'npm ci' }),
      step(one, 'setup', 'running', { message: 'npm test' }),
    ])
    expect(turn?.steps.map(({ message, state }) => [message, state])).toEqual([
      ['clone …', 'ok'],
      ['npm ci', 'ok'],
      ['npm test', 'running'],
    ])
  })

  test('have what was prepared before they were asked for', () => {
    const [turn] = turnsOf([step(null, 'sandbox_create', 'ok'), queued(one)])
    expect(turn?.steps).toMatchObject([{ step: 'sandbox_create', state: 'ok' }])
  })

  test('are the same when events come twice, or not in order', () => {
    const events = [queued(one), started(one), event('finalization', one, { kind: 'commit', success: true })]
    expect(turnsOf([...events, ...events].toReversed())).toEqual(turnsOf(events))
  })
})
