/**
 * Cost or tokens day by day, as bars; the same figures are in a table for whoever does not see them. One day at a time
 * can be pointed at, or reached with the arrows.
 */
import { type KeyboardEvent, useId, useState } from 'react'
import { axisOf } from './axis.ts'
import styles from './DayChart.module.css'
import type { Day } from './days.ts'
import { compact, exact, usd } from './figures.ts'

const measures = {
  cost: { text: 'Cost', of: (day: Day) => day.costUsd, write: usd },
  tokens: { text: 'Tokens', of: (day: Day) => day.promptTokens + day.completionTokens, write: compact },
  calls: { text: 'Calls', of: (day: Day) => day.calls, write: exact },
} as const
type Measure = keyof typeof measures
const names: readonly Measure[] = ['cost', 'tokens', 'calls']

const height = 180

export function DayChart({ days }: { days: readonly Day[] }) {
  const id = useId()
  const costsNothing = days.every(({ costUsd }) => costUsd === 0)
  const [chosen, setChosen] = useState<Measure | null>(null)
  const name = chosen ?? (costsNothing ? 'tokens' : 'cost')
  const measure = measures[name]
  const [pointed, setPointed] = useState<number | null>(null)
  const axis = axisOf(Math.max(0, ...days.map(measure.of)))
  const shown = pointed === null ? null : days[pointed]

  function move(event: KeyboardEvent): void {
    const last = days.length - 1
    const at = pointed ?? (event.key === 'ArrowLeft' ? days.length : -1)
    const to = { ArrowRight: Math.min(last, at + 1), ArrowLeft: Math.max(0, at - 1), Home: 0, End: last }[event.key]
    if (to === undefined) return
    event.preventDefault()
    setPointed(to)
  }

  return (
    <section className={styles.chart} aria-labelledby={id}>
      <div className={styles.head}>
        <h2 id={id}>By day</h2>
        <fieldset className={styles.measures} aria-label="What is drawn">
          {names.map((key) => (
            <button key={key} type="button" aria-pressed={key === name} onClick={() => setChosen(key)}>
              {measures[key].text}
            </button>
          ))}
        </fieldset>
      </div>
      <div className={styles.plot}>
        <div className={styles.axis} aria-hidden="true">
          {axis.ticks.map((tick) => (
            <span key={tick} style={{ insetBlockEnd: `${(tick / axis.top) * 100}%` }}>
              {measure.write(tick)}
            </span>
          ))}
        </div>
        <div
          className={styles.bars}
          style={{ blockSize: height }}
          role="slider"
          tabIndex={0}
          aria-label={`${measure.text} by day`}
          aria-valuemin={0}
          aria-valuemax={days.length - 1}
          aria-valuenow={pointed ?? 0}
          aria-valuetext={shown ? `${longDay(shown.day)}: ${measure.write(measure.of(shown))}` : 'No day'}
          onKeyDown={move}
          onPointerLeave={() => setPointed(null)}
          onBlur={() => setPointed(null)}
        >
          {axis.ticks.map((tick) => (
            <span key={tick} className={styles.rule} style={{ insetBlockEnd: `${(tick / axis.top) * 100}%` }} />
          ))}
          {days.map((day, place) => (
            <span
              key={day.day}
              className={styles.day}
              data-pointed={place === pointed || undefined}
              onPointerEnter={() => setPointed(place)}
            >
              <span className={styles.bar} style={{ blockSize: `${(measure.of(day) / axis.top) * 100}%` }} />
            </span>
          ))}
          {shown && pointed !== null && (
            <span
              className={styles.tip}
              data-side={pointed > days.length / 2 ? 'start' : 'end'}
              style={{ insetInlineStart: `${((pointed + 0.5) / days.length) * 100}%` }}
            >
              <strong>{longDay(shown.day)}</strong>
              {usd(shown.costUsd)} · {compact(shown.promptTokens)} in · {compact(shown.completionTokens)} out ·{' '}
              {exact(shown.calls)} calls
            </span>
          )}
        </div>
        <div className={styles.labels} aria-hidden="true">
          <span>{longDay(days[0]?.day ?? '')}</span>
          <span>{longDay(days.at(-1)?.day ?? '')}</span>
        </div>
      </div>
      <details className={styles.table}>
        <summary>As a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">Day</th>
              <th scope="col">Cost</th>
              <th scope="col">Tokens in</th>
              <th scope="col">Tokens out</th>
              <th scope="col">Calls</th>
            </tr>
          </thead>
          <tbody>
            {days.map((day) => (
              <tr key={day.day}>
                <th scope="row">{day.day}</th>
                <td>{usd(day.costUsd)}</td>
                <td>{exact(day.promptTokens)}</td>
                <td>{exact(day.completionTokens)}</td>
                <td>{exact(day.calls)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  )
}

const dayFormat = new Intl.DateTimeFormat('en-US', {
  weekday: 'short',
  month: 'short',
  day: 'numeric',
  timeZone: 'UTC',
})
const longDay = (day: string) => (day === '' ? '' : dayFormat.format(new Date(day)))
