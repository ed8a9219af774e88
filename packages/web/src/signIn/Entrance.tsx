/** What surrounds the forms of those who are not signed in. */
import type { ReactNode } from 'react'
import { Logo } from '../app/Logo.tsx'
import styles from './Entrance.module.css'

export function Entrance({ title, note, children }: { title: string; note?: ReactNode; children: ReactNode }) {
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <div className={styles.head}>
          <Logo size={36} />
          <h1 className={styles.title}>{title}</h1>
          {note && <p className={styles.note}>{note}</p>}
        </div>
        {children}
      </div>
    </main>
  )
}
