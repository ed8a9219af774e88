/** Names with values, a row for each: variables, secrets, headers. */
import { Plus, X } from 'lucide-react'
import { useId } from 'react'
import { Button } from '../ui/Button.tsx'
import type { Pair } from './draft.ts'
import styles from './PairsField.module.css'

export function PairsField(props: {
  label: string
  hint: string
  pairs: readonly Pair[]
  onPairs: (pairs: Pair[]) => void
  /** Nobody looks over a shoulder, and no password manager offers to keep it. */
  isSecret?: boolean
  /** What one of them is called, on buttons. */
  noun: string
  namePlaceholder: string
  error?: string | undefined
}) {
  const { label, hint, pairs, onPairs, isSecret = false, noun, namePlaceholder, error } = props
  const id = useId()
  const change = (at: number, part: Partial<Pair>) =>
    onPairs(pairs.map((pair, place) => (place === at ? { ...pair, ...part } : pair)))
  return (
    <fieldset className={styles.pairs} aria-describedby={`${id}-hint ${error ? `${id}-error` : ''}`}>
      <legend>{label}</legend>
      <p id={`${id}-hint`} className={styles.hint}>
        {hint}
      </p>
      {pairs.map((pair, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is known by its place alone.
        <div key={place} className={styles.pair}>
          <input
            aria-label={`Name of ${noun} ${place + 1}`}
            placeholder={namePlaceholder}
            value={pair.name}
            autoComplete="off"
            spellCheck={false}
            aria-invalid={error ? true : undefined}
            onChange={({ target }) => change(place, { name: target.value })}
          />
          <input
            aria-label={`Value of ${noun} ${place + 1}`}
            placeholder="Value"
            type={isSecret ? 'password' : 'text'}
            value={pair.value}
            autoComplete={isSecret ? 'new-password' : 'off'}
            spellCheck={false}
            aria-invalid={error ? true : undefined}
            onChange={({ target }) => change(place, { value: target.value })}
          />
          <Button
            kind="quiet"
            icon={<X size={15} aria-hidden="true" />}
            aria-label={`Remove ${noun} ${place + 1}`}
            onClick={() => onPairs(pairs.filter((_, at) => at !== place))}
          />
        </div>
      ))}
      {error && (
        <p id={`${id}-error`} className={styles.error}>
          {error}
        </p>
      )}
      <Button
        kind="quiet"
        size="small"
        icon={<Plus size={14} aria-hidden="true" />}
        onClick={() => onPairs([...pairs, { name: '', value: '' }])}
      >
        Add a {noun}
      </Button>
    </fieldset>
  )
}
