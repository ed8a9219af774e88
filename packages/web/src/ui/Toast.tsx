/** Short news at the edge of the screen, which go by themselves; they are read out, and nothing depends on them. */
import { createContext, type ReactNode, useCallback, useContext, useState } from 'react'
import styles from './Toast.module.css'

const shownMs = 5_000

type Toast = { id: number; text: string; tone: 'plain' | 'bad' }
type Show = (text: string, tone?: Toast['tone']) => void

const ToastContext = createContext<Show>(() => {})

export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([])
  const show = useCallback<Show>((text, tone = 'plain') => {
    const id = performance.now()
    setToasts((shown) => [...shown, { id, text, tone }])
    setTimeout(() => setToasts((shown) => shown.filter((toast) => toast.id !== id)), shownMs)
  }, [])
  return (
    <ToastContext value={show}>
      {children}
      <div className={styles.toasts} role="status" aria-live="polite">
        {toasts.map(({ id, text, tone }) => (
          <p key={id} className={[styles.toast, styles[tone]].join(' ')}>
            {text}
          </p>
        ))}
      </div>
    </ToastContext>
  )
}

export const useToast = (): Show => useContext(ToastContext)
