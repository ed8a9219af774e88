/** Views of one thing, of which one is shown. Arrows move between the tabs; one press of Tab leads into the view. */
import { type KeyboardEvent, type ReactNode, useId, useRef } from 'react'
import styles from './Tabs.module.css'

export type Tab<Key extends string> = { key: Key; title: string; count?: number | undefined }

type TabsProps<Key extends string> = {
  label: string
  tabs: readonly Tab<Key>[]
  shown: Key
  onShow: (key: Key) => void
  /** What the shown tab shows. */
  children: ReactNode
}

export function Tabs<Key extends string>({ label, tabs, shown, onShow, children }: TabsProps<Key>) {
  const id = useId()
  const list = useRef<HTMLDivElement>(null)

  function move(event: KeyboardEvent): void {
    const at = tabs.findIndex(({ key }) => key === shown)
    const last = tabs.length - 1
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[
      event.key
    ]
    const next = to === undefined ? undefined : tabs[to]
    if (!next) return
    event.preventDefault()
    onShow(next.key)
    list.current?.querySelector<HTMLElement>(`[data-tab="${CSS.escape(next.key)}"]`)?.focus()
  }

  return (
    <div className={styles.tabs}>
      <div ref={list} role="tablist" aria-label={label} className={styles.list} onKeyDown={move}>
        {tabs.map(({ key, title, count }) => (
          <button
            key={key}
            type="button"
            role="tab"
            id={`${id}-${key}`}
            data-tab={key}
            aria-selected={key === shown}
            aria-controls={`${id}-view`}
            tabIndex={key === shown ? 0 : -1}
            className={styles.tab}
            onClick={() => onShow(key)}
          >
            {title}
            {count !== undefined && <span className={styles.count}>{count}</span>}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-view`} aria-labelledby={`${id}-${shown}`} className={styles.view}>
        {children}
      </div>
    </div>
  )
}
