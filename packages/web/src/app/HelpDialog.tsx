/** What the keyboard does, on `?`. */
import { Fragment, useEffect, useState } from 'react'
import { useLocation } from 'wouter'
import { Dialog } from '../ui/Dialog.tsx'
import styles from './HelpDialog.module.css'
import { type Shortcut, shortcutFor } from './shortcuts.ts'

const helpEvent = 'corral:help'

export const showHelp = (): void => void window.dispatchEvent(new Event(helpEvent))

const shortcuts: readonly Shortcut[] = [
  { keys: 'g s', does: 'Sessions', path: '/' },
  { keys: 'n', does: 'New session', path: '/new' },
  { keys: 'g u', does: 'Usage', path: '/usage' },
  { keys: 'g e', does: 'Settings', path: '/settings' },
]
const elsewhere: readonly (readonly [keys: string, does: string])[] = [
  ['?', 'This list'],
  ['Tab', 'To the next thing'],
  ['↑ ↓', 'Within a menu or a list'],
  ['Esc', 'Close what is open'],
]

export function HelpDialog() {
  const [isOpen, setOpen] = useState(false)
  const [, go] = useLocation()
  useEffect(() => {
    const open = () => setOpen(true)
    let before = ''
    function press(event: KeyboardEvent): void {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      const found = shortcutFor(shortcuts, before, event.key)
      before = found ? '' : event.key
      if (event.key === '?') open()
      if (!found) return
      event.preventDefault()
      go(found.path)
    }
    window.addEventListener('keydown', press)
    window.addEventListener(helpEvent, open)
    return () => {
      window.removeEventListener('keydown', press)
      window.removeEventListener(helpEvent, open)
    }
  }, [go])
  return (
    <Dialog open={isOpen} title="Keyboard" onClose={() => setOpen(false)}>
      <dl className={styles.keys}>
        {[...shortcuts.map(({ keys, does }) => [keys, does] as const), ...elsewhere].map(([keys, does]) => (
          <Fragment key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </Fragment>
        ))}
      </dl>
    </Dialog>
  )
}

/** Also in a terminal, and in whatever else takes keys; and in front of everything while something asks. */
function isTyping(target: EventTarget | null): boolean {
  if (document.querySelector('dialog[open]')) return true
  return (
    target instanceof Element &&
    target.closest('input, textarea, select, [contenteditable], [role=application]') !== null
  )
}
