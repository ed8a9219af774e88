import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emptyPicture, type Picture, revisionOf, withList, withoutRow, withRow } from './picture.ts'
import { testRow } from './testRows.ts'

const nobody = new Set<never>()
const shown = (picture: Picture) => [...picture.rows.values()]

describe('a picture of sessions', () => {
  const old = testRow({ revision: 4, title: 'Old' })
  const newer = { ...old, revision: 5, title: 'New' }

  test('takes a row that is newer, and drops one that is not', () => {
    const picture = withRow(withRow(emptyPicture, old), newer)
    expect(shown(picture)).toEqual([newer])
    expect(withRow(picture, old)).toBe(picture)
    expect(withRow(picture, { ...newer, title: 'The same revision' })).toBe(picture)
  })

  test('brings nothing back that was deleted, but what comes again after that', () => {
    const deleted = withoutRow(withRow(emptyPicture, old), old.sessionId, 6, 0)
    expect(shown(withRow(deleted, newer))).toEqual([])
    expect(shown(withList(deleted, [newer], nobody, 1))).toEqual([])
    expect(shown(withRow(deleted, { ...old, revision: 7 }))).toEqual([{ ...old, revision: 7 }])
  })

  test('does not hear of a deletion that is older than what it shows', () => {
    const picture = withRow(emptyPicture, newer)
    expect(withoutRow(picture, old.sessionId, 4, 0)).toBe(picture)
  })

  test('remembers deletions for ten minutes, and no more than a thousand', () => {
    const gone = withoutRow(emptyPicture, old.sessionId, 6, 0)
    const later = withoutRow(gone, testRow().sessionId, 1, 10 * 60_000)
    expect(revisionOf(later, old.sessionId)).toBe(0)
    const many = Array.from({ length: 1_001 }, () => testRow())
    const full = many.reduce((picture, { sessionId }) => withoutRow(picture, sessionId, 1, 0), emptyPicture)
    expect(full.gone.size).toBe(1_000)
  })

  test('is replaced by a list, but for what is newer and what was told meanwhile', () => {
    const [kept, absent, told] = [testRow({ revision: 9 }), testRow(), testRow()]
    const picture = [kept, absent, told].reduce(withRow, emptyPicture)
    const next = withList(picture, [{ ...kept, revision: 8 }, old], new Set([told.sessionId]), 0)
    expect(shown(next)).toEqual([kept, told, old])
  })

  test('never shows an older state after a newer one, in whatever order things come', () => {
    const id = testRow()
    const step = fc.oneof(
      fc.record({ do: fc.constant('row' as const), revision: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ do: fc.constant('list' as const), revision: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ do: fc.constant('gone' as const), revision: fc.integer({ min: 1, max: 20 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let picture = emptyPicture
        let newest = 0
        for (const { do: what, revision } of steps) {
          const row = { ...id, revision }
          if (what === 'row') picture = withRow(picture, row)
          else if (what === 'gone') picture = withoutRow(picture, id.sessionId, revision, 0)
          else picture = withList(picture, revision === 0 ? [] : [row], nobody, 0)
          const known = revisionOf(picture, id.sessionId)
          expect(known).toBeGreaterThanOrEqual(newest)
          newest = known
        }
      }),
    )
  })
})
