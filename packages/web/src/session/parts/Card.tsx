/** One line that says what was done, and folds open to show it. */
import { ChevronRight } from 'lucide-react'
import { type ReactNode, useId } from 'react'
import { useFold } from '../folds.tsx'
import styles from './Card.module.css'

export type CardProps = {
  /** Names the fold for the page's life. */
  id: string
  icon: ReactNode
  verb: string
  about?: ReactNode
  note?: ReactNode
  state?: 'busy' | 'done' | 'failed'
  isOpenByItself?: boolean
  /** Made only when it is open. Without it there is nothing to open. */
  children?: (() => ReactNode) | null
}

export function Card({ id, icon, verb, about, note, state = 'done', isOpenByItself = false, children }: CardProps) {
  const [isOpen, setOpen] = useFold(id, isOpenByItself)
  const bodyId = useId()
  const line = (
    <>
      <span className={styles.icon} aria-hidden="true">
        {icon}
      </span>
      <span className={styles.verb}>{verb}</span>
      <span className={styles.about}>{about}</span>
      {note && <span className={styles.note}>{note}</span>}
    </>
  )
  if (!children)
    return (
      <div className={styles.card} data-state={state}>
        <div className={styles.line}>{line}</div>
      </div>
    )
  return (
    <div className={styles.card} data-state={state}>
      <button
        type="button"
        className={styles.line}
        aria-expanded={isOpen}
        aria-controls={bodyId}
        onClick={() => setOpen(!isOpen)}
      >
        {line}
        <ChevronRight className={styles.chevron} size={14} aria-hidden="true" />
      </button>
      {isOpen && (
        <div id={bodyId} className={styles.body}>
          {children()}
        </div>
      )}
    </div>
  )
}
