/** One row of the diff: the head of a file, the place of a hunk, a line, or a note. */
import { ChevronDown, ChevronRight } from 'lucide-react'
import { memo } from 'react'
import styles from './Diff.module.css'
import type { DiffRow } from './diffFiles.ts'
import { Counts, StatusMark } from './FileList.tsx'
import type { Piece } from './shades.ts'
import { visible } from './visible.ts'

export const DiffRowView = memo(function DiffRowView(props: {
  row: DiffRow
  /** Of a line, once they are known. */
  shades: readonly Piece[] | undefined
  onTurn: (path: string) => void
}) {
  const { row, shades, onTurn } = props
  switch (row.kind) {
    case 'file':
      return (
        <h3 className={styles.file}>
          <button type="button" aria-expanded={row.isOpen} onClick={() => onTurn(row.file.path)}>
            {row.isOpen ? <ChevronDown size={15} aria-hidden="true" /> : <ChevronRight size={15} aria-hidden="true" />}
            <StatusMark status={row.file.status} />
            <span className={styles.path}>{visible(row.file.path)}</span>
            <Counts additions={row.file.additions} deletions={row.file.deletions} />
          </button>
        </h3>
      )
    case 'hunk':
      return <div className={styles.hunk}>{visible(row.heading) || '⋯'}</div>
    case 'note':
      return <div className={styles.note}>{row.text}</div>
    case 'line': {
      const { line } = row
      return (
        <div className={styles.line} data-kind={line.kind}>
          <span className={styles.number} aria-hidden="true">
            {line.newNumber ?? line.oldNumber}
          </span>
          <span className={styles.sign}>{line.kind === 'added' ? '+' : line.kind === 'removed' ? '−' : ' '}</span>
          <code className={styles.code}>
            {shades?.map(({ text, name }, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: pieces of a text that does not change.
              <span key={place} data-token={name ?? undefined}>
                {visible(text)}
              </span>
            )) ?? visible(line.text)}
            {line.isUnended && <span className={styles.unended}> no line break at the end</span>}
          </code>
        </div>
      )
    }
  }
})
