/**
 * A button that opens a list of things to do or to choose from. It is a popover of the browser, which closes it on Escape
 * and on a press elsewhere; arrows, Home and End move within it.
 */
import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from 'react'
import styles from './Menu.module.css'

export type MenuItem = {
  key: string
  text: ReactNode
  icon?: ReactNode
  /** Beside the text, for what can be chosen. */
  checked?: boolean
  onSelect: () => void
}

type MenuProps = {
  /** What the button is for, where its content does not say so. */
  label?: string
  /** The button's content. */
  children: ReactNode
  className?: string
  /** In groups, which a line separates. */
  groups: readonly (readonly MenuItem[])[]
}

export function Menu({ label, children, className, groups }: MenuProps) {
  const id = useId()
  const button = useRef<HTMLButtonElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const [isOpen, setOpen] = useState(false)

  function place(): void {
    const [from, menu] = [button.current?.getBoundingClientRect(), list.current]
    if (!from || !menu) return
    const { offsetWidth: width, offsetHeight: height } = menu
    const margin = 8
    const isRoomBelow = from.bottom + height + margin < window.innerHeight
    menu.style.top = `${isRoomBelow ? from.bottom + 4 : Math.max(margin, from.top - height - 4)}px`
    menu.style.left = `${Math.max(margin, Math.min(from.left, window.innerWidth - width - margin))}px`
    menu.style.minWidth = `${from.width}px`
  }

  return (
    <>
      <button
        ref={button}
        type="button"
        className={[styles.button, className].filter(Boolean).join(' ')}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        popoverTarget={id}
      >
        {children}
      </button>
      <div
        ref={list}
        id={id}
        popover="auto"
        role="menu"
        tabIndex={-1}
        className={styles.menu}
        onToggle={({ newState }) => {
          setOpen(newState === 'open')
          if (newState !== 'open') return
          place()
          itemsIn(list.current)[0]?.focus()
        }}
        onKeyDown={(event) => moveFocus(event, list.current)}
      >
        {groups
          .filter((group) => group.length > 0)
          .map((group, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: groups have no name, and keep their order.
            <div key={i} className={styles.group}>
              {group.map(({ key, text, icon, checked, onSelect }) => (
                <button
                  key={key}
                  type="button"
                  {...(checked === undefined
                    ? { role: 'menuitem' }
                    : { role: 'menuitemradio', 'aria-checked': checked })}
                  tabIndex={-1}
                  className={styles.item}
                  onClick={() => {
                    list.current?.hidePopover()
                    onSelect()
                  }}
                >
                  {icon}
                  <span className={styles.text}>{text}</span>
                </button>
              ))}
            </div>
          ))}
      </div>
    </>
  )
}

const itemsIn = (menu: HTMLElement | null): HTMLElement[] => [
  ...(menu?.querySelectorAll<HTMLElement>('[role^=menuitem]') ?? []),
]

function moveFocus(event: KeyboardEvent, menu: HTMLElement | null): void {
  const items = itemsIn(menu)
  const at = items.findIndex((item) => item.matches(':focus'))
  const next = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  }[event.key]
  if (event.key === 'Tab') menu?.hidePopover()
  if (next === undefined) return
  event.preventDefault()
  items[next]?.focus()
}
