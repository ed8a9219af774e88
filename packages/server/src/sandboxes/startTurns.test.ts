import { newSandboxId } from '@corral/protocol'
import { expect, test } from 'vitest'
import { createStartTurns } from './startTurns.ts'

test('so many start at once, and the next when one of them is connected or has hung for long', () => {
  let nowMs = 0
  const turns = createStartTurns({ atOnce: 2, now: () => nowMs })
  const [one, two, three] = [newSandboxId(), newSandboxId(), newSandboxId()]
  expect([turns.take(one), turns.take(two), turns.take(three)]).toEqual([true, true, false])
  expect(turns.take(one)).toBe(true)
  turns.end(one)
  expect(turns.take(three)).toBe(true)
  expect(turns.take(one)).toBe(false)
  nowMs = 10_001
  expect([turns.take(one), turns.take(newSandboxId()), turns.take(newSandboxId())]).toEqual([true, true, false])
})
