import { expect, test } from 'vitest'
import { createPace } from './pace.ts'

test('as many bytes per second as are allowed pass, and a pause is not saved up', () => {
  let nowMs = 0
  const pace = createPace(1_000, () => nowMs)
  expect(pace.take(100)).toBe(0)
  expect(pace.take(100)).toBe(200)
  nowMs += 200
  expect(pace.take(500)).toBe(500)
  nowMs += 10_000
  expect([pace.take(100), pace.take(1)]).toEqual([0, 101])
})
