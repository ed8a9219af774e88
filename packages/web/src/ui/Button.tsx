/** A button. While `busy` it cannot be pressed again and keeps its width. */
import type { ButtonHTMLAttributes, ReactNode, Ref } from 'react'
import styles from './Button.module.css'
import { Spinner } from './Spinner.tsx'

export type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  kind?: 'primary' | 'plain' | 'quiet' | 'danger'
  size?: 'normal' | 'small'
  busy?: boolean
  /** As wide as what it is in. */
  wide?: boolean
  icon?: ReactNode
  ref?: Ref<HTMLButtonElement>
}

export function Button({
  kind = 'plain',
  size = 'normal',
  busy = false,
  wide = false,
  icon,
  children,
  ...rest
}: ButtonProps) {
  const classes = [
    styles.button,
    styles[kind],
    styles[size],
    children == null && styles.square,
    wide && styles.wide,
    rest.className,
  ]
  return (
    <button
      type="button"
      {...rest}
      className={classes.filter(Boolean).join(' ')}
      disabled={rest.disabled || busy}
      aria-busy={busy || undefined}
    >
      {busy ? <Spinner size={14} label="Working" /> : icon}
      {children}
    </button>
  )
}
