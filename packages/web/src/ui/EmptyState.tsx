/** In the place of what is not there: what would be here, and how it comes to be. */
import type { ReactNode } from 'react'
import styles from './State.module.css'

export function EmptyState(props: { title: string; icon?: ReactNode; action?: ReactNode; children?: ReactNode }) {
  return (
    <div className={styles.state}>
      {props.icon && <div className={styles.icon}>{props.icon}</div>}
      <h2 className={styles.title}>{props.title}</h2>
      {props.children && <p className={styles.text}>{props.children}</p>}
      {props.action && <div className={styles.action}>{props.action}</div>}
    </div>
  )
}
