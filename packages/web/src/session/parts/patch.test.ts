import { expect, test } from 'vitest'
import { patchLines } from './patch.ts'

test('a diff has the numbers of its lines, before and after', () => {
  const patch =
    'Index: a\n--- a\n+++ b\n@@ -3,3 +3,3 @@\n same\n-old\n+new\n end\n\\ No newline\n@@ -20 +20,2 @@ there\n+more'
  expect(patchLines(patch)).toEqual([
    { kind: 'same', text: 'same', before: 3, after: 3 },
    { kind: 'removed', text: 'old', before: 4, after: null },
    { kind: 'added', text: 'new', before: null, after: 4 },
    { kind: 'same', text: 'end', before: 5, after: 5 },
    { kind: 'gap', text: 'there', before: null, after: null },
    { kind: 'added', text: 'more', before: null, after: 20 },
  ])
})
