/** Which days, and whose: one's own or an organization's. */
import { useEffect, useState } from 'react'
import { dayOf, lastDays, type Range, rangeOf, thisMonth } from './days.ts'
import styles from './RangePicker.module.css'

export function RangePicker(props: {
  range: Range
  onRange: (range: Range) => void
  organization: string | null
  organizations: readonly { id: string; name: string }[]
  onOrganization: (id: string | null) => void
}) {
  const { range, onRange, organization, organizations, onOrganization } = props
  const now = Date.now()
  const presets = [
    { text: '7 days', its: lastDays(7, now) },
    { text: '30 days', its: lastDays(30, now) },
    { text: '90 days', its: lastDays(90, now) },
    { text: 'This month', its: thisMonth(now) },
  ]
  // What is typed half is no range yet.
  const [typed, setTyped] = useState(range)
  useEffect(() => setTyped({ from: range.from, to: range.to }), [range.from, range.to])
  function type(next: Range): void {
    setTyped(next)
    const whole = rangeOf(next.from, next.to)
    if (whole) onRange(whole)
  }
  const isWrong = rangeOf(typed.from, typed.to) === null

  return (
    <div className={styles.picker}>
      <fieldset className={styles.presets} aria-label="Range">
        {presets.map(({ text, its }) => (
          <button
            key={text}
            type="button"
            aria-pressed={its.from === range.from && its.to === range.to}
            onClick={() => onRange(its)}
          >
            {text}
          </button>
        ))}
      </fieldset>
      <div className={styles.dates}>
        <input
          type="date"
          aria-label="From"
          value={typed.from}
          max={typed.to}
          aria-invalid={isWrong || undefined}
          onChange={({ target }) => type({ ...typed, from: target.value })}
        />
        <span aria-hidden="true">–</span>
        <input
          type="date"
          aria-label="To"
          value={typed.to}
          max={dayOf(now)}
          aria-invalid={isWrong || undefined}
          onChange={({ target }) => type({ ...typed, to: target.value })}
        />
      </div>
      {organizations.length > 0 && (
        <select
          aria-label="Whose usage"
          className={styles.whose}
          value={organization ?? ''}
          onChange={({ target }) => onOrganization(target.value || null)}
        >
          <option value="">Only mine</option>
          {organizations.map(({ id, name }) => (
            <option key={id} value={id}>
              All of {name}
            </option>
          ))}
        </select>
      )}
      {isWrong && (
        <p className={styles.wrong} role="status">
          The first day must not be after the last, and a year is the most.
        </p>
      )}
    </div>
  )
}
