import { newSessionId, type Timing, type TimingStep } from '@corral/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { waterfall } from './waterfall.ts'

const timing = (steps: TimingStep[], totalMs: number | null = null): Timing => ({
  cloudAgentSessionId: newSessionId(),
  executionId: null,
  startTime: 0,
  steps,
  queuedMs: null,
  setupMs: null,
  agentExecutionMs: null,
  totalMs,
})

describe('the waterfall', () => {
  test('says that there is nothing yet', () => {
    expect(waterfall(timing([]))).toBe('Nothing has been timed yet.\n')
  })

  test('has a bar for each step where it was, with its attempt and how it ended', () => {
    const steps: TimingStep[] = [
      { name: 'clone', startMs: 0, durationMs: 500, attempt: 1, status: 'failed' },
      { name: 'clone', startMs: 500, durationMs: 500, attempt: 2, status: 'ok' },
      { name: 'setup', startMs: 1_000, durationMs: 1_000, attempt: 1, status: 'running' },
    ]
    expect(waterfall(timing(steps, 2_000)).split('\n')).toEqual([
      `clone    │${'×'.repeat(10)}${' '.repeat(30)}│   500 ms`,
      `clone #2 │${' '.repeat(10)}${'█'.repeat(10)}${' '.repeat(20)}│   500 ms`,
      `setup    │${' '.repeat(20)}${'▒'.repeat(20)}│    1.0 s`,
      `total    ${' '.repeat(42)}    2.0 s`,
      '',
    ])
  })

  test('keeps every bar inside, and shows each step', () => {
    const step = fc.record({
      name: fc.constant('clone' as const),
      startMs: fc.nat(100_000),
      durationMs: fc.nat(100_000),
      attempt: fc.constant(1),
      status: fc.constant('ok' as const),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1 }), (steps) => {
        const lines = waterfall(timing(steps)).trimEnd().split('\n')
        expect(lines).toHaveLength(steps.length)
        for (const line of lines) expect(line).toMatch(/^clone │ *█+ *│ +[\d.]+ m?s$/)
        for (const line of lines) expect(line.indexOf('│', 8) - line.indexOf('│')).toBe(41)
      }),
    )
  })
})
