/** Colors for the lines of a diff, hunk by hunk, as they come; a line without them is shown all the same. */
import { useEffect, useState } from 'react'
import { highlighted } from '../../session/markdown/highlight.ts'
import { type DiffFile, foldedAboveLines, hunkKey } from './diffFiles.ts'
import { languageOf, type Piece, shadedLines } from './shades.ts'

export type Shades = ReadonlyMap<string, readonly Piece[][]>

/** By `hunkKey`. Files that are large are shown without. */
export function useShades(files: readonly DiffFile[]): Shades {
  const [shades, setShades] = useState<Shades>(new Map())
  useEffect(() => {
    const stop = new AbortController()
    void color(files, stop.signal, (key, lines) => setShades((before) => new Map(before).set(key, lines)))
    return () => stop.abort()
  }, [files])
  return shades
}

async function color(
  files: readonly DiffFile[],
  signal: AbortSignal,
  found: (key: string, lines: Piece[][]) => void,
): Promise<void> {
  for (const file of files) {
    if (file.lineCount > foldedAboveLines) continue
    for (const [place, hunk] of file.hunks.entries()) {
      const text = hunk.lines.map((line) => line.text).join('\n')
      const shades = await highlighted(text, languageOf(file.path))
      if (signal.aborted) return
      if (shades) found(hunkKey(file.path, place), shadedLines(shades))
    }
  }
}
