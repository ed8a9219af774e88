/** Inputs with their label, a hint, and what is wrong with them, all of it told to screen readers, too. */
import {
  type ComponentProps,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from 'react'
import styles from './Field.module.css'

type Around = { label: string; hint?: ReactNode; error?: string | null | undefined }
type Described = { id: string; className: string | undefined; 'aria-describedby'?: string; 'aria-invalid'?: true }

export type FieldProps = Around & InputHTMLAttributes<HTMLInputElement> & Pick<ComponentProps<'input'>, 'ref'>

export function Field({ label, hint, error, ...input }: FieldProps) {
  return <Frame {...{ label, hint, error }}>{(described) => <input {...input} {...described} />}</Frame>
}

export function SelectField(props: Around & SelectHTMLAttributes<HTMLSelectElement>) {
  const { label, hint, error, ...select } = props
  return <Frame {...{ label, hint, error }}>{(described) => <select {...select} {...described} />}</Frame>
}

export function TextField(
  props: Around & TextareaHTMLAttributes<HTMLTextAreaElement> & Pick<ComponentProps<'textarea'>, 'ref'>,
) {
  const { label, hint, error, ...textarea } = props
  return <Frame {...{ label, hint, error }}>{(described) => <textarea {...textarea} {...described} />}</Frame>
}

export function CheckField(props: { label: string; hint?: ReactNode } & InputHTMLAttributes<HTMLInputElement>) {
  const { label, hint, ...input } = props
  const id = useId()
  return (
    <div className={styles.check}>
      <input {...input} type="checkbox" id={id} aria-describedby={hint ? `${id}-hint` : undefined} />
      <label htmlFor={id}>{label}</label>
      {hint && (
        <p id={`${id}-hint`} className={styles.hint}>
          {hint}
        </p>
      )}
    </div>
  )
}

function Frame({ label, hint, error, children }: Around & { children: (described: Described) => ReactNode }) {
  const id = useId()
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ')
  return (
    <div className={styles.field}>
      <label className={styles.label} htmlFor={id}>
        {label}
      </label>
      {children({
        id,
        className: styles.input,
        ...(about && { 'aria-describedby': about }),
        ...(error && { 'aria-invalid': true }),
      })}
      {hint && (
        <p id={`${id}-hint`} className={styles.hint}>
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className={styles.error}>
          {error}
        </p>
      )}
    </div>
  )
}

/** Fields that belong together, under a question. */
export function Choices({ legend, children }: { legend: string; children: ReactNode }) {
  return (
    <fieldset className={styles.choices}>
      <legend>{legend}</legend>
      {children}
    </fieldset>
  )
}

/** Why a form was not taken. It is read out when it appears. */
export function FormError({ error }: { error: Error | null }) {
  return <div aria-live="polite">{error && <p className={styles.formError}>{error.message}</p>}</div>
}
