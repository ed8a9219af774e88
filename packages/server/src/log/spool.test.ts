import { describe, expect, test } from 'vitest'
import { place } from './spool.ts'

const at = { epoch: 3, lastN: 10 }
const run = { epoch: 3, firstN: 11, length: 4, dropped: 0 }

describe('a run of numbered events', () => {
  test('that follows directly is taken whole', () => {
    expect(place(at, run)).toEqual({ kind: 'take', skip: 0 })
  })

  test('that overlaps what is there is taken from the first new one on', () => {
    expect(place(at, { ...run, firstN: 9 })).toEqual({ kind: 'take', skip: 2 })
  })

  test('that is there already is skipped whole', () => {
    expect(place(at, { ...run, firstN: 2 })).toEqual({ kind: 'take', skip: 4 })
  })

  test('of an earlier life of the spool is outdated, whatever its numbers', () => {
    expect(place(at, { ...run, epoch: 2, firstN: 50 })).toEqual({ kind: 'outdated' })
  })

  test('of an epoch that was never given is refused', () => {
    expect(place(at, { ...run, epoch: 4, firstN: 1 })).toMatchObject({ kind: 'hole' })
  })

  test('that leaves numbers out is refused', () => {
    expect(place(at, { ...run, firstN: 12 })).toMatchObject({ kind: 'hole' })
  })

  test('that leaves out what is said to be dropped is taken', () => {
    expect(place(at, { ...run, firstN: 16, dropped: 5 })).toEqual({ kind: 'take', skip: 0 })
  })

  test('that leaves out more than is said to be dropped is refused', () => {
    expect(place(at, { ...run, firstN: 16, dropped: 4 })).toMatchObject({ kind: 'hole' })
  })

  test('may drop what was stored before the supervisor heard of it', () => {
    expect(place(at, { ...run, firstN: 16, dropped: 9 })).toEqual({ kind: 'take', skip: 0 })
  })
})
