/** What changed since the session's start: a summary, or the patch itself. */
import type { SessionDiff } from '@corral/protocol'
import { color } from '../terminal.ts'
import { oneLine, safeText } from './safeText.ts'

export function diffSummary(diff: SessionDiff): string {
  if (diff.files.length === 0) return 'No files changed.\n'
  const lines = diff.files.map(
    (file) =>
      ` ${file.status.padEnd(8)} ${oneLine(file.path, 200)}  ${color('green', `+${file.additions}`)} ${color('red', `-${file.deletions}`)}`,
  )
  return `${lines.join('\n')}\n`
}

export function patchText(diff: SessionDiff): string {
  const text = safeText(diff.patch)
    .split('\n')
    .map((line) => {
      if (line.startsWith('+') && !line.startsWith('+++')) return color('green', line)
      if (line.startsWith('-') && !line.startsWith('---')) return color('red', line)
      return line.startsWith('@@') ? color('cyan', line) : line
    })
    .join('\n')
  return diff.truncated ? `${text}\n(cut: the whole change is larger than 1 MiB)\n` : text
}
