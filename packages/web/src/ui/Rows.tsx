/** A list of things, one below the other: what it is, what is known of it, and what can be done with it. */
import type { ReactNode } from 'react'
import styles from './Rows.module.css'

export function Rows({ label, empty, children }: { label: string; empty?: ReactNode; children: ReactNode[] }) {
  if (children.length === 0) return <p className={styles.empty}>{empty}</p>
  return (
    <ul className={styles.rows} aria-label={label}>
      {children}
    </ul>
  )
}

export function Row(props: { title: ReactNode; about?: ReactNode; children?: ReactNode }) {
  return (
    <li className={styles.row}>
      <div className={styles.what}>
        <div className={styles.title}>{props.title}</div>
        {props.about && <div className={styles.about}>{props.about}</div>}
      </div>
      {props.children && <div className={styles.actions}>{props.children}</div>}
    </li>
  )
}
