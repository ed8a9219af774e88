/** What somebody wrote, as it was written. */
import { Paperclip } from 'lucide-react'
import { useMemo } from 'react'
import { Scroll } from '../ui/Scroll.tsx'
import styles from './messages.module.css'
import type { Parts } from './rows.ts'

export function UserMessage({ parts }: { parts: Parts | undefined }) {
  const { text, files } = useMemo(() => said(parts), [parts])
  if (text === '' && files.length === 0) return null
  return (
    <article className={`${styles.row} ${styles.user}`} aria-label="You">
      <Scroll className={styles.bubble} label="Message">
        {text}
        {files.map((file) => (
          <div key={file}>
            <Paperclip size={14} aria-hidden="true" /> {file}
          </div>
        ))}
      </Scroll>
    </article>
  )
}

/** Without what agents add to it for themselves. */
function said(parts: Parts | undefined): { text: string; files: string[] } {
  const ordered = [...(parts?.values() ?? [])].toSorted((a, b) => a.position - b.position).map(({ part }) => part)
  const texts = ordered.flatMap((part) =>
    part.type === 'text' && typeof part.text === 'string' && part.synthetic !== true ? [part.text] : [],
  )
  const files = ordered.flatMap((part) => (part.type === 'file' ? [String(part.filename ?? part.mime ?? 'file')] : []))
  return { text: texts.join('\n').trim(), files }
}
