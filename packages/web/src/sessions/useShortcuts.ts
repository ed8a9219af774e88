/** Keys that do something while nobody types and nothing lies in front of the page. */
import { useEffect, useRef } from 'react'

const typing = 'input, textarea, select, [contenteditable], [role=menu], [role=tablist], [role=slider]'
const inFront = 'dialog[open], [popover]:popover-open'

/** `press` says whether the key was one of its own. */
export function useShortcuts(press: (key: string) => boolean): void {
  const current = useRef(press)
  useEffect(() => {
    current.current = press
  })
  useEffect(() => {
    function onKeyDown(event: KeyboardEvent): void {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
      if (event.target instanceof HTMLElement && event.target.closest(typing)) return
      if (document.querySelector(inFront)) return
      if (current.current(event.key)) event.preventDefault()
    }
    window.addEventListener('keydown', onKeyDown)
    return () => window.removeEventListener('keydown', onKeyDown)
  }, [])
}
