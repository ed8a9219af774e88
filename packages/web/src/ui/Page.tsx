/** A page of the ordinary kind: a title, what can be done, and a column of content. */
import type { ReactNode } from 'react'
import { useTitle } from '../app/useTitle.ts'
import styles from './Page.module.css'

export function Page(props: {
  title: string
  about?: ReactNode
  actions?: ReactNode
  wide?: boolean
  children: ReactNode
}) {
  useTitle(props.title)
  return (
    <div className={[styles.page, props.wide && styles.wide].filter(Boolean).join(' ')}>
      <div className={styles.head}>
        <div className={styles.titles}>
          <h1 className={styles.title}>{props.title}</h1>
          {props.about && <p className={styles.about}>{props.about}</p>}
        </div>
        {props.actions && <div className={styles.actions}>{props.actions}</div>}
      </div>
      {props.children}
    </div>
  )
}
