/** A unified diff as lines with their numbers. What is before the first hunk says only which file it is. Pure. */
export type PatchLine = {
  kind: 'added' | 'removed' | 'same' | 'gap'
  text: string
  /** In the file as it was, and as it is. */
  before: number | null
  after: number | null
}

const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)$/

export function patchLines(patch: string): PatchLine[] {
  const lines: PatchLine[] = []
  let place: { before: number; after: number } | null = null
  for (const line of patch.split('\n')) {
    const [, before, after, context = ''] = hunk.exec(line) ?? []
    if (before !== undefined) {
      if (place) lines.push({ kind: 'gap', text: context.trim(), before: null, after: null })
      place = { before: Number(before), after: Number(after) }
    } else if (!place || line.startsWith('\\')) {
    } else if (line.startsWith('+'))
      lines.push({ kind: 'added', text: line.slice(1), before: null, after: place.after++ })
    else if (line.startsWith('-'))
      lines.push({ kind: 'removed', text: line.slice(1), before: place.before++, after: null })
    else if (line.startsWith(' '))
      lines.push({ kind: 'same', text: line.slice(1), before: place.before++, after: place.after++ })
    // The head of the next file.
    else place = null
  }
  return lines
}

/** What is replaced by what, before an agent tells where. */
export function changeLines(before: string, after: string): PatchLine[] {
  const each = (text: string, kind: 'added' | 'removed'): PatchLine[] =>
    text === '' ? [] : text.split('\n').map((line) => ({ kind, text: line, before: null, after: null }))
  return [...each(before, 'removed'), ...each(after, 'added')]
}
