/** A choice of few words, in the middle of other things: its label is for screen readers. */
import styles from './Select.module.css'

type SelectProps<Option extends string> = {
  label: string
  value: Option
  options: readonly Option[]
  /** How an option is said; by itself, unless given. */
  say?: (option: Option) => string
  disabled?: boolean
  onChange: (option: Option) => void
}

export function Select<Option extends string>(props: SelectProps<Option>) {
  const { label, value, options, say = (option: Option) => option, disabled, onChange } = props
  return (
    <select
      className={styles.select}
      aria-label={label}
      value={value}
      disabled={disabled}
      onChange={({ target }) => {
        const chosen = options.find((option) => option === target.value)
        if (chosen !== undefined) onChange(chosen)
      }}
    >
      {options.map((option) => (
        <option key={option} value={option}>
          {say(option)}
        </option>
      ))}
    </select>
  )
}
