import { expect, test } from 'vitest'
import { diffFiles, diffRows, foldedAboveLines } from './diffFiles.ts'

const patchOf = (path: string, lines: number) =>
  `diff --git a/${path} b/${path}\n--- /dev/null\n+++ b/${path}\n@@ -0,0 +1,${lines} @@\n${'+x\n'.repeat(lines)}`
const fileOf = (path: string, additions: number) => ({ path, status: 'added' as const, additions, deletions: 0 })
const kinds = (rows: ReturnType<typeof diffRows>) => rows.map(({ kind }) => kind)

test('files have the lines of their patch', () => {
  const [file] = diffFiles({ files: [fileOf('x', 2)], patch: patchOf('x', 2), truncated: false })
  expect(file).toMatchObject({ path: 'x', lineCount: 2, isCut: false })
  expect(kinds(diffRows(file ? [file] : [], new Set()))).toEqual(['file', 'line', 'line'])
})

test('large files are folded until somebody opens them, small ones open until somebody folds them', () => {
  const many = foldedAboveLines + 1
  const patch = patchOf('large', many) + patchOf('small', 1)
  const files = diffFiles({ files: [fileOf('large', many), fileOf('small', 1)], patch, truncated: false })
  expect(kinds(diffRows(files, new Set()))).toEqual(['file', 'file', 'line'])
  expect(diffRows(files, new Set(['large', 'small']))).toHaveLength(2 + many)
})

test('what is not in a patch that was cut off says so', () => {
  const patch = patchOf('half', 3)
  const files = diffFiles({ files: [fileOf('half', 9), fileOf('none', 9)], patch, truncated: true })
  expect(files.map(({ isCut }) => isCut)).toEqual([true, true])
  expect(kinds(diffRows(files, new Set()))).toEqual(['file', 'line', 'line', 'line', 'note', 'file', 'note'])
})
