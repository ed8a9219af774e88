/** How often a user may push. */
import { limits } from '@corral/protocol'
import { expect, test } from 'vitest'
import { createPushRate } from './pushRate.ts'

test('so many pushes in a minute are taken, of each user; then they wait for the next minute', () => {
  let now = 1_000
  const rate = createPushRate(() => now)
  for (let i = 0; i < limits.pushesPerMinute; i++) expect(rate.take('alice')).toBe(0)
  now += 20_000
  expect(rate.take('alice')).toBe(40_000)
  expect(rate.take('bob')).toBe(0)
  now += 40_000
  expect(rate.take('alice')).toBe(0)
})
