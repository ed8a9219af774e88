import type { UsageReport } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import { axisOf } from './axis.ts'
import { csv } from './csv.ts'
import { everyDay, lastDays, rangeOf, thisMonth } from './days.ts'
import { bytes, usd } from './figures.ts'
import { reportCsv } from './reportCsv.ts'

const now = Date.parse('2026-03-01T12:00:00Z')

describe('a range of days', () => {
  test('ends today, by the days of UTC', () => {
    expect(lastDays(7, now)).toEqual({ from: '2026-02-23', to: '2026-03-01' })
    expect(thisMonth(now)).toEqual({ from: '2026-03-01', to: '2026-03-01' })
  })

  test('is refused when it is none', () => {
    expect(rangeOf('2026-02-01', '2026-02-28')).toEqual({ from: '2026-02-01', to: '2026-02-28' })
    expect(rangeOf('2026-02-30', '2026-03-01')).toBeNull()
    expect(rangeOf('2026-03-02', '2026-03-01')).toBeNull()
    expect(rangeOf('2025-01-01', '2026-03-01')).toBeNull()
    expect(rangeOf('', '2026-03-01')).toBeNull()
  })

  test('has every day in it, those without calls, too', () => {
    const used = {
      ...{ calls: 1, promptTokens: 1, cachedTokens: 0, completionTokens: 1, costUsd: 2 },
      ...{ unreportedCalls: 0, unpricedCalls: 0 },
    }
    const all = everyDay({ from: '2026-02-27', to: '2026-03-02', days: [{ ...used, day: '2026-03-01' }] })
    expect(all.map(({ day, costUsd }) => [day, costUsd])).toEqual([
      ['2026-02-27', 0],
      ['2026-02-28', 0],
      ['2026-03-01', 2],
      ['2026-03-02', 0],
    ])
  })
})

test('amounts keep the digits that say something', () => {
  expect([0, 0.0000001, 0.00012, 0.0049, 0.05, 1.239, 999.5, 12_345.6].map(usd)).toEqual([
    '$0',
    '< $0.000001',
    '$0.00012',
    '$0.0049',
    '$0.05',
    '$1.24',
    '$999.50',
    '$12,346',
  ])
  expect([0, 999, 1_536, 150 * 1024, 5 * 1024 ** 3].map(bytes)).toEqual([
    '0 B',
    '999 B',
    '1.5 KiB',
    '150 KiB',
    '5.0 GiB',
  ])
})

test('CSV keeps what is in a cell, and makes no formula of it', () => {
  expect(
    csv(
      ['name', 'cost'],
      [
        ['a "b", c', 1.5],
        ['=HYPERLINK("x")', -2],
        [null, 0],
      ],
    ),
  ).toBe('name,cost\r\n"a ""b"", c",1.5\r\n"\'=HYPERLINK(""x"")",-2\r\n,0\r\n')
})

test('an axis begins at 0 and ends at a round number, with three to five ticks', () => {
  expect(axisOf(0)).toEqual({ top: 1, ticks: [0] })
  expect(axisOf(100)).toEqual({ top: 100, ticks: [0, 50, 100] })
  for (const largest of [0.0003, 0.7, 1, 3, 9.99, 41, 12_345, 7_000_001]) {
    const { top, ticks } = axisOf(largest)
    expect(top).toBeGreaterThanOrEqual(largest)
    expect(top).toBeLessThan(largest * 2.1)
    expect(ticks.length).toBeGreaterThanOrEqual(2)
    expect(ticks.length).toBeLessThanOrEqual(5)
  }
})

test('a report is one table, of which each row says what it sums', () => {
  const figures = {
    ...{ calls: 1, promptTokens: 2, cachedTokens: 0, completionTokens: 3, costUsd: 0.5 },
    ...{ unreportedCalls: 0, unpricedCalls: 0 },
  }
  const report: UsageReport = {
    ...{ from: '2026-03-01', to: '2026-03-01', total: figures, budgets: [], users: [] },
    days: [{ day: '2026-03-01', ...figures }],
    models: [{ model: 'openai/small', ...figures }],
    sessions: [{ cloudAgentSessionId: 'agent_1', title: '+evil', ...figures }],
  }
  expect(reportCsv(report).split('\r\n').slice(1)).toEqual([
    'total,,,0.5,2,0,3,1,0',
    'day,2026-03-01,,0.5,2,0,3,1,0',
    'model,openai/small,,0.5,2,0,3,1,0',
    "session,agent_1,'+evil,0.5,2,0,3,1,0",
    '',
  ])
})
