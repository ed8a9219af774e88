/**
 * A question in front of everything else. The browser keeps the focus inside and gives it back afterwards; Escape and a
 * press beside it close it, unless `busy`.
 */
import { X } from 'lucide-react'
import { type ReactNode, useEffect, useId, useRef } from 'react'
import { Button } from './Button.tsx'
import styles from './Dialog.module.css'

export type DialogProps = {
  open: boolean
  title: string
  onClose: () => void
  busy?: boolean
  /** In the order of reading; the last one is the one that goes on. */
  actions?: ReactNode
  children: ReactNode
}

export function Dialog({ open, title, onClose, busy = false, actions, children }: DialogProps) {
  const id = useId()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const element = dialog.current
    if (!element || element.open === open) return
    if (open) element.showModal()
    else element.close()
  }, [open])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is `onCancel`; this is the press beside the dialog.
    <dialog
      ref={dialog}
      className={styles.dialog}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        if (!busy) onClose()
      }}
      onClick={(event) => {
        if (event.target === dialog.current && !busy) onClose()
      }}
    >
      {open && (
        <div className={styles.content}>
          <h2 id={id} className={styles.title}>
            {title}
          </h2>
          <div className={styles.body}>{children}</div>
          {actions && <div className={styles.actions}>{actions}</div>}
          {/* The last, so that the focus begins at what is asked. */}
          <div className={styles.close}>
            <Button
              kind="quiet"
              size="small"
              icon={<X size={16} />}
              aria-label="Close"
              disabled={busy}
              onClick={onClose}
            />
          </div>
        </div>
      )}
    </dialog>
  )
}
