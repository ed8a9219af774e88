import { expect, test } from 'vitest'
import { duration, ticks, waterfall } from './waterfall.ts'

test('bars lie where their steps were, as parts of the whole', () => {
  const { bars, spanMs } = waterfall({
    steps: [
      { name: 'clone', startMs: 0, durationMs: 500, attempt: 1, status: 'failed' },
      { name: 'clone', startMs: 500, durationMs: 500, attempt: 2, status: 'ok', detail: 'npm ci' },
      { name: 'agent_execution', startMs: 800, durationMs: 1_200, attempt: 1, status: 'running' },
    ],
  })
  expect(spanMs).toBe(2_000)
  expect(bars.map(({ label, from, width, status }) => [label, from, width, status])).toEqual([
    ['Clone', 0, 0.25, 'failed'],
    ['Clone (try 2)', 0.25, 0.25, 'ok'],
    ['Agent works', 0.4, 0.6, 'running'],
  ])
  expect(new Set(bars.map(({ key }) => key)).size).toBe(3)
})

test('no steps are no bars', () => {
  expect(waterfall({ steps: [] }).bars).toEqual([])
})

test('ticks are round, a few, and within the span', () => {
  expect(ticks(2_000)).toEqual([0, 500, 1_000, 1_500, 2_000])
  expect(ticks(2_900)).toEqual([0, 1_000, 2_000])
  for (const span of [1, 7, 99, 1_234, 60_000, 7_200_000]) {
    const all = ticks(span)
    expect(all.length).toBeGreaterThanOrEqual(2)
    expect(all.length).toBeLessThanOrEqual(6)
    expect(all.at(-1)).toBeLessThanOrEqual(span)
  }
})

test('durations are as exact as they have to be', () => {
  expect([0, 850, 2_840, 12_400, 59_999, 65_000, 120_000, 7_440_000, 7_200_000].map(duration)).toEqual([
    '0 ms',
    '850 ms',
    '2.8 s',
    '12 s',
    '1 min',
    '1 min 5 s',
    '2 min',
    '2 h 4 min',
    '2 h',
  ])
})
