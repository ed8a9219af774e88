import { newSessionId } from '@corral/protocol'
import { expect, test } from 'vitest'
import { createWaiting } from './waiting.ts'

test('of each session what says most waits, once', () => {
  const waiting = createWaiting()
  const [one, two] = [newSessionId(), newSessionId()]
  for (const kind of ['updated', 'created', 'status'] as const) waiting.add(one, kind)
  for (const kind of ['status', 'updated', 'status'] as const) waiting.add(two, kind)
  const changes = new Map([
    [one, 'created'],
    [two, 'updated'],
  ])
  expect(waiting.take()).toEqual({ kind: 'changes', changes })
  expect(waiting.isEmpty()).toBe(true)
})

test('past a thousand sessions nothing waits but that all is to be read again, once', () => {
  const waiting = createWaiting()
  for (let i = 0; i < 1_000; i += 1) waiting.add(newSessionId(), 'status')
  expect(waiting.isEmpty()).toBe(false)
  for (let i = 0; i < 5; i += 1) waiting.add(newSessionId(), 'status')
  expect(waiting.take()).toEqual({ kind: 'resync' })
  expect(waiting.isEmpty()).toBe(true)
  const next = newSessionId()
  waiting.add(next, 'status')
  expect(waiting.take()).toEqual({ kind: 'changes', changes: new Map([[next, 'status']]) })
})
