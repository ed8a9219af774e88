import type { ReactNode } from 'react'
import styles from './Badge.module.css'

export type Tone = 'neutral' | 'good' | 'busy' | 'waiting' | 'bad'

/** A state in a word. `live` is for what changes while one looks. */
export function Badge({
  tone = 'neutral',
  live = false,
  children,
}: {
  tone?: Tone
  live?: boolean
  children: ReactNode
}) {
  return (
    <span className={[styles.badge, styles[tone]].join(' ')}>
      {tone !== 'neutral' && <span className={live ? styles.pulse : styles.dot} aria-hidden="true" />}
      {children}
    </span>
  )
}
