import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBacklog } from './backlog.ts'
import { type Frame, frameOf } from './envelope.ts'

const session = 'agent_00000000-0000-4000-8000-000000000000'
const frames = (from: number, to: number): Frame[] =>
  Array.from({ length: to - from + 1 }, (_, i) =>
    frameOf(session, { seq: from + i, type: 'output', data: '{}', at: new Date(0) }),
  )
const seqs = (taken: Frame[]) => taken.map((frame) => frame.seq)

describe('a backlog', () => {
  test('gives what directly follows, once', () => {
    const backlog = createBacklog(10_000)
    backlog.add(frames(6, 8))
    expect(seqs(backlog.takeAfter(5))).toEqual([6, 7, 8])
    expect(seqs(backlog.takeAfter(5))).toEqual([])
  })

  test('gives nothing that would leave a hole, and says how far the log has come', () => {
    const backlog = createBacklog(10_000)
    backlog.add(frames(7, 8))
    expect(seqs(backlog.takeAfter(5))).toEqual([])
    expect(backlog.newest()).toBe(8)
    expect(seqs(backlog.takeAfter(6))).toEqual([7, 8])
  })

  test('leaves out what was seen already', () => {
    const backlog = createBacklog(10_000)
    backlog.add(frames(1, 5))
    expect(seqs(backlog.takeAfter(3))).toEqual([4, 5])
  })

  test('lets go of everything when it grows too large', () => {
    const backlog = createBacklog(1_000)
    backlog.add(frames(1, 3))
    backlog.add(frames(4, 20))
    expect(seqs(backlog.takeAfter(0))).toEqual([])
    expect(backlog.newest()).toBe(20)
    backlog.add(frames(21, 22))
    expect(seqs(backlog.takeAfter(20))).toEqual([21, 22])
  })

  test('wakes its viewer at once when there was news since the last wait', async () => {
    const backlog = createBacklog(1_000)
    backlog.add(frames(1, 1))
    await backlog.news()
    const waiting = backlog.news()
    backlog.tell(7)
    await waiting
    expect(backlog.newest()).toBe(7)
  })

  test('together with the log gives every event once and in order, whatever is heard when', () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('commit' as const), size: fc.integer({ min: 1, max: 6 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('hear late' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('tell' as const) }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('look' as const) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const backlog = createBacklog(1_500)
        const seen: number[] = []
        const unheard: [number, number][] = []
        let committed = 0
        const look = () => {
          const cursor = seen.at(-1) ?? 0
          const taken = backlog.takeAfter(cursor)
          // What the backlog lacks is read from the log, as far as it is known to have come.
          seen.push(...seqs(taken.length > 0 ? taken : frames(cursor + 1, backlog.newest())))
        }
        for (const one of steps) {
          if (one.kind === 'commit') {
            unheard.push([committed + 1, committed + one.size])
            committed += one.size
          } else if (one.kind === 'tell') backlog.tell(committed)
          else if (one.kind === 'look') look()
          const heard = one.kind === 'hear late' ? unheard.pop() : one.kind === 'look' ? unheard.shift() : undefined
          if (heard) backlog.add(frames(...heard))
        }
        backlog.tell(committed)
        while ((seen.at(-1) ?? 0) < backlog.newest()) look()
        expect(seen).toEqual(seqs(frames(1, committed)))
      }),
    )
  })
})
