import { expect, test } from 'vitest'
import { timeAgo } from './timeAgo.ts'

const now = new Date(2026, 5, 15, 12).getTime()
const minute = 60_000

test.each([
  [0, 'just now'],
  [59_999, 'just now'],
  [minute, '1 min ago'],
  [60 * minute - 1, '59 min ago'],
  [60 * minute, '1 h ago'],
  [24 * 60 * minute, '1 d ago'],
  [6 * 24 * 60 * minute, '6 d ago'],
  [7 * 24 * 60 * minute, 'Jun 8'],
  [365 * 24 * 60 * minute, 'Jun 15, 2025'],
])('%s ms are %s', (age, said) => {
  expect(timeAgo(now - age, now)).toBe(said)
})

test('a clock that is ahead of ours says no nonsense', () => {
  expect(timeAgo(now + minute, now)).toBe('just now')
})
