import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createBacklog } from './backlog.ts'

const bytes = (text: string) => Buffer.from(text)
const all = (backlog: ReturnType<typeof createBacklog>, step: number) => {
  let text = ''
  for (let taken = backlog.take(step); taken; taken = backlog.take(step)) text += taken
  return text
}

it('gives out everything once, in order, in pieces no larger than asked for', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1 })), fc.integer({ min: 1, max: 9 }), (texts, step) => {
      const backlog = createBacklog({ seenBytes: 10 })
      for (const text of texts) backlog.push(bytes(text))
      expect(backlog.unseenBytes()).toBe(bytes(texts.join('')).length)
      const pieces: Buffer[] = []
      for (let taken = backlog.take(step); taken; taken = backlog.take(step)) pieces.push(taken)
      expect(pieces.every(({ length }) => length <= step)).toBe(true)
      expect(Buffer.concat(pieces).toString()).toBe(texts.join(''))
      expect(backlog.unseenBytes()).toBe(0)
    }),
  )
})

it('shows again what was seen, from a line’s beginning where something was dropped, and then what was not', () => {
  const backlog = createBacklog({ seenBytes: 12 })
  backlog.push(bytes('first line\nsecond\n'))
  expect(all(backlog, 5)).toBe('first line\nsecond\n')
  backlog.push(bytes('third'))
  backlog.rewind()
  expect(all(backlog, 100)).toBe('second\nthird')
  backlog.rewind()
  expect(all(backlog, 100)).toBe('second\nthird')
})
