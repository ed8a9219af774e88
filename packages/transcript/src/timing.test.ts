import { newExecutionId, type StatusData, type StepName, stepNames, timingStepSchema } from '@corral/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LogEvent } from './change.ts'
import { timing } from './timing.ts'

const executionId = newExecutionId()
const began = 1_700_000_000_000

/** `at`: milliseconds after the beginning, by the server's clock. */
type Told = Omit<LogEvent, 'seq'>
const logOf = (told: Told[]): LogEvent[] => told.map((event, i) => ({ ...event, seq: i + 1, at: began + event.at }))
const view = (told: Told[], now: number) => timing(logOf(told), executionId, began + now)

const step = (at: number, name: StepName, state: StatusData['state'], more: Partial<StatusData> = {}): Told => ({
  type: 'status',
  at,
  data: { message: `${name} ${state}`, step: name, state, ...more },
})
const queued = (at: number): Told => {
  const data = { executionId, messageId: 'm', partId: 'p', agentSessionId: 'ses_1', text: 'Mend it' }
  return { type: 'queued', executionId, at, data }
}
const started = (at: number): Told => ({ type: 'started', executionId, at, data: { executionId } })
const complete = (at: number): Told => ({ type: 'complete', executionId, at, data: {} })
const failed = (at: number): Told => ({ type: 'error', executionId, at, data: { error: 'x', reason: 'sandbox_lost' } })
const pushed = (at: number, success: boolean): Told => ({
  type: 'finalization',
  executionId,
  at,
  data: { kind: 'push', success },
})

/** Each step as `name start+duration status`. */
const bars = (told: Told[], now: number) =>
  view(told, now).steps.map(({ name, startMs, durationMs, status }) => `${name} ${startMs}+${durationMs} ${status}`)

describe('the timing of an execution', () => {
  test('is nothing before anything has begun', () => {
    expect(view([], 0)).toEqual({
      startTime: null,
      steps: [],
      queuedMs: null,
      setupMs: null,
      agentExecutionMs: null,
      totalMs: null,
    })
  })

  test('has each step where it was, and totals that are spans', () => {
    const whole = [
      queued(0),
      step(10, 'sandbox_create', 'running'),
      step(60, 'sandbox_create', 'ok', { durationMs: 50 }),
      step(60, 'clone', 'running'),
      step(560, 'clone', 'ok', { durationMs: 500 }),
      step(600, 'queue_wait', 'ok', { durationMs: 600 }),
      { ...step(600, 'prompt_send', 'running'), executionId },
      { ...step(610, 'prompt_send', 'ok', { durationMs: 10 }), executionId },
      started(620),
      complete(1_620),
      pushed(1_700, true),
      pushed(1_820, true),
    ]
    expect(bars(whole, 99_000)).toEqual([
      'queue_wait 0+600 ok',
      'sandbox_create 10+50 ok',
      'clone 60+500 ok',
      'prompt_send 600+10 ok',
      'agent_execution 620+1000 ok',
      'result_collection 1620+200 ok',
    ])
    expect(view(whole, 99_000)).toMatchObject({
      startTime: began,
      queuedMs: 600,
      setupMs: 600,
      agentExecutionMs: 1_000,
      totalMs: 1_820,
    })
  })

  test('does not count twice what ran at the same time', () => {
    const overlapping = [
      step(0, 'clone', 'running'),
      step(100, 'agent_start', 'running'),
      step(400, 'clone', 'ok', { durationMs: 400 }),
      step(500, 'agent_start', 'ok', { durationMs: 400 }),
    ]
    expect(view(overlapping, 9_000)).toMatchObject({ setupMs: 500, totalMs: 500 })
  })

  test('has the time so far of what runs', () => {
    expect(bars([queued(0), step(10, 'clone', 'running')], 250)).toEqual([
      'queue_wait 0+250 running',
      'clone 10+240 running',
    ])
    expect(bars([started(0)], 70)).toEqual(['agent_execution 0+70 running'])
  })

  test('keeps a failed attempt, and does not let it go on beside the next one', () => {
    const twice = [
      step(0, 'clone', 'running', { attempt: 1 }),
      step(100, 'clone', 'failed', { attempt: 1, durationMs: 100 }),
      step(150, 'clone', 'running', { attempt: 2 }),
      // Its supervisor was killed: nobody tells of an end.
      step(400, 'clone', 'running', { attempt: 3 }),
      step(500, 'clone', 'ok', { attempt: 3, durationMs: 100 }),
    ]
    expect(bars(twice, 9_000)).toEqual(['clone 0+100 failed', 'clone 150+250 failed', 'clone 400+100 ok'])
    expect(view(twice, 9_000).steps.map(({ attempt }) => attempt)).toEqual([1, 2, 3])
  })

  test('keeps the steps of a name apart by their ids', () => {
    const setups = ['a', 'b'].flatMap((stepId, i) => [
      step(i * 100, 'setup', 'running', { stepId }),
      step(i * 100 + 80, 'setup', 'ok', { stepId, durationMs: 80 }),
    ])
    expect(bars(setups, 9_000)).toEqual(['setup 0+80 ok', 'setup 100+80 ok'])
  })

  test('ends with the execution, whatever was still open', () => {
    expect(bars([queued(0), step(10, 'clone', 'running'), failed(100)], 9_000)).toEqual([
      'queue_wait 0+100 failed',
      'clone 10+90 failed',
    ])
    expect(bars([started(0), failed(100), step(150, 'agent_stop', 'running')], 200)).toEqual([
      'agent_execution 0+100 failed',
      'agent_stop 150+50 running',
    ])
  })

  test('says that results could not be delivered', () => {
    expect(bars([started(0), complete(100), pushed(130, false)], 9_000).at(-1)).toBe('result_collection 100+30 failed')
  })

  test('has nothing of another execution', () => {
    const other = { ...step(0, 'agent_start', 'running'), executionId: newExecutionId() }
    expect(bars([other, started(50)], 60)).toEqual(['agent_execution 0+10 running'])
  })

  test('takes durations from the machine of the step and starts from the server, so no clock can bend it', () => {
    // The sandbox's clock is a day behind and says so; nothing of it is used.
    const wrong = { timestamp: '2023-11-13T00:00:00Z', time: began - 86_400_000 }
    const skewed = [step(100, 'clone', 'running', wrong), step(400, 'clone', 'ok', { ...wrong, durationMs: 290.4 })]
    expect(bars(skewed, 9_000)).toEqual(['clone 0+290 ok'])
    // The server's clock was set back by an hour in between.
    const setBack = [started(3_600_000), complete(10)]
    expect(bars(setBack, 9_000)).toEqual(['agent_execution 0+0 ok'])
  })

  test('puts a step that was told late, with its end, where it was', () => {
    const late = [
      step(0, 'supervisor_connect', 'ok', { durationMs: 0 }),
      step(5_000, 'clone', 'running'),
      step(5_000, 'clone', 'ok', { durationMs: 4_000 }),
    ]
    expect(bars(late, 9_000)).toEqual(['supervisor_connect 0+0 ok', 'clone 1000+4000 ok'])
  })

  test('is made of whole numbers from 0 on, in the order of the starts, whatever was told', () => {
    const anyStep = fc
      .record({
        at: fc.integer({ min: -5_000, max: 5_000 }),
        name: fc.constantFrom(...stepNames),
        state: fc.constantFrom('running' as const, 'ok' as const, 'failed' as const),
        attempt: fc.integer({ min: 0, max: 3 }),
        durationMs: fc.option(fc.double({ min: 0, max: 10_000, noNaN: true }), { nil: undefined }),
      })
      .map(({ at, name, ...data }) => step(at, name, data.state, data))
    const at = fc.integer({ min: -5_000, max: 5_000 })
    const other = fc.oneof(at.map(queued), at.map(started), at.map(complete), at.map(failed))
    fc.assert(
      fc.property(fc.array(fc.oneof(anyStep, other), { size: 'max', maxLength: 40 }), at, (told, now) => {
        const { startTime: _, steps, ...totals } = view(told, now)
        for (const one of steps) timingStepSchema.parse(one)
        expect(steps.map(({ startMs }) => startMs)).toEqual(
          steps.map(({ startMs }) => startMs).toSorted((a, b) => a - b),
        )
        for (const total of Object.values(totals)) {
          if (total !== null) expect(Number.isInteger(total) && total >= 0).toBe(true)
        }
        expect(totals.totalMs === null).toBe(steps.length === 0)
      }),
    )
  })
})
