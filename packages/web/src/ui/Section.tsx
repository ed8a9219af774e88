/** A part of a page with a title of its own, and what can be done there. */
import { type ReactNode, useId } from 'react'
import styles from './Section.module.css'

export function Section(props: { title: string; about?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  const id = useId()
  return (
    <section className={styles.section} aria-labelledby={id}>
      <div className={styles.head}>
        <div className={styles.titles}>
          <h2 id={id} className={styles.title}>
            {props.title}
          </h2>
          {props.about && <p className={styles.about}>{props.about}</p>}
        </div>
        {props.actions}
      </div>
      {props.children}
    </section>
  )
}
