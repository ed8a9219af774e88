import styles from './Spinner.module.css'

/** Something is under way; `label` says what to those who do not see it. */
export function Spinner({ label = 'Loading', size = 16 }: { label?: string; size?: number }) {
  return <span className={styles.spinner} role="status" aria-label={label} style={{ width: size, height: size }} />
}

/** In the place of a page. It shows itself after a moment: what is quick does not flicker. */
export function PageSpinner() {
  return (
    <div className={styles.page}>
      <Spinner size={22} />
    </div>
  )
}
