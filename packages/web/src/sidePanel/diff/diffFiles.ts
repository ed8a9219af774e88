/** The files of a diff, each with its hunks, and the rows that show them: pure. */
import type { SessionDiff } from '@corral/protocol'
import { type DiffLine, type Hunk, parsePatch } from './patch.ts'

export type DiffFile = SessionDiff['files'][number] & {
  oldPath: string | null
  isBinary: boolean
  hunks: Hunk[]
  /** Its lines, as far as the patch has them. */
  lineCount: number
  /** The patch was cut off before or within this file. */
  isCut: boolean
}

/** In the order in which git lists them. */
export function diffFiles({ files, patch, truncated }: Pick<SessionDiff, 'files' | 'patch' | 'truncated'>): DiffFile[] {
  const patches = new Map(parsePatch(patch).map((own) => [own.path, own]))
  return files.map((file) => {
    const own = patches.get(file.path)
    const hunks = own?.hunks ?? []
    const lines = hunks.flatMap((hunk) => hunk.lines)
    const missing = file.additions + file.deletions - lines.filter(({ kind }) => kind !== 'context').length
    return {
      ...file,
      oldPath: own?.oldPath ?? null,
      isBinary: own?.isBinary ?? false,
      hunks,
      lineCount: lines.length,
      isCut: truncated && (own === undefined || missing > 0),
    }
  })
}

/** Files with more lines are folded until somebody wants to see them. */
export const foldedAboveLines = 400

export type DiffRow =
  | { kind: 'file'; key: string; file: DiffFile; isOpen: boolean }
  | { kind: 'hunk'; key: string; heading: string }
  /** `at`: its place in the hunk `hunk`, by which its colors are found. */
  | { kind: 'line'; key: string; hunk: string; at: number; line: DiffLine }
  | { kind: 'note'; key: string; text: string }

/** `turned`: the paths of files that are not as they are by themselves: folded when large, else open. */
export function diffRows(files: readonly DiffFile[], turned: ReadonlySet<string>): DiffRow[] {
  return files.flatMap((file): DiffRow[] => {
    const isOpen = turned.has(file.path) !== file.lineCount <= foldedAboveLines
    const head: DiffRow = { kind: 'file', key: `file ${file.path}`, file, isOpen }
    return isOpen ? [head, ...bodyRows(file)] : [head]
  })
}

/** By which the colors of a hunk are found. */
export const hunkKey = (path: string, place: number) => `${path} ${place}`

function bodyRows(file: DiffFile): DiffRow[] {
  const note = (text: string): DiffRow => ({ kind: 'note', key: `note ${file.path}`, text })
  const rows = file.hunks.flatMap((hunk, place): DiffRow[] => [
    // The first hunk of a file needs no rule above it, unless it says where it is.
    ...(place > 0 || hunk.heading !== ''
      ? [{ kind: 'hunk' as const, key: `hunk ${file.path} ${place}`, heading: hunk.heading }]
      : []),
    ...hunk.lines.map((line, at): DiffRow => {
      const key = hunkKey(file.path, place)
      return { kind: 'line', key: `line ${key} ${at}`, hunk: key, at, line }
    }),
  ])
  if (file.isCut) return [...rows, note('The rest of this file is not shown: the diff is larger than 1 MiB.')]
  if (rows.length > 0) return rows
  if (file.isBinary) return [note('A binary file.')]
  return [
    note(file.oldPath === null ? 'No lines changed: its mode, or an empty file.' : `Renamed from ${file.oldPath}.`),
  ]
}
