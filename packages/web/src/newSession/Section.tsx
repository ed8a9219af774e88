/** A part of the form that is folded until somebody needs it, or something in it is wrong. */
import { type ReactNode, useEffect, useState } from 'react'
import styles from './Section.module.css'

export function Section(props: {
  title: string
  /** What is set in it, in a few words. */
  summary: string
  hasError: boolean
  children: ReactNode
}) {
  const { title, summary, hasError, children } = props
  const [isOpen, setOpen] = useState(hasError)
  useEffect(() => {
    if (hasError) setOpen(true)
  }, [hasError])
  return (
    <details className={styles.section} open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <span className={styles.title}>{title}</span>
        <span className={styles.summary}>{summary}</span>
      </summary>
      <div className={styles.content}>{children}</div>
    </details>
  )
}
