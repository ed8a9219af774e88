/** The changed files, folded into one line until somebody wants to see which they are. */

import type { DiffFile } from './diffFiles.ts'
import styles from './FileList.module.css'
import { visible } from './visible.ts'

export function FileList({ files, onChoose }: { files: readonly DiffFile[]; onChoose: (path: string) => void }) {
  const sum = (of: (file: DiffFile) => number) => files.reduce((total, file) => total + of(file), 0)
  return (
    <details className={styles.files}>
      <summary>
        {files.length === 1 ? '1 file' : `${files.length} files`}{' '}
        <Counts additions={sum((file) => file.additions)} deletions={sum((file) => file.deletions)} />
      </summary>
      <ul>
        {files.map((file) => (
          <li key={file.path}>
            <button type="button" onClick={() => onChoose(file.path)}>
              <StatusMark status={file.status} />
              <span className={styles.path}>{visible(file.path)}</span>
              <Counts additions={file.additions} deletions={file.deletions} />
            </button>
          </li>
        ))}
      </ul>
    </details>
  )
}

export function Counts({ additions, deletions }: Pick<DiffFile, 'additions' | 'deletions'>) {
  return (
    <span className={styles.counts}>
      <span className={styles.added}>
        <span aria-hidden="true">+</span>
        {additions} <span className={styles.unseen}>added</span>
      </span>
      <span className={styles.removed}>
        <span aria-hidden="true">−</span>
        {deletions} <span className={styles.unseen}>removed</span>
      </span>
    </span>
  )
}

const marks: Record<DiffFile['status'], string> = { added: 'A', modified: 'M', deleted: 'D', renamed: 'R' }

export function StatusMark({ status }: { status: DiffFile['status'] }) {
  return (
    <span className={styles.mark} data-status={status} title={status}>
      <span aria-hidden="true">{marks[status]}</span>
      <span className={styles.unseen}>{status}</span>
    </span>
  )
}
