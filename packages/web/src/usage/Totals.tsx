/** The sums of a report, and what is not in them. */
import type { UsageFigures } from '@corral/protocol'
import { compact, exact, usd } from './figures.ts'
import styles from './Totals.module.css'

export function Totals({ total }: { total: UsageFigures }) {
  const cachedPart = total.promptTokens > 0 ? total.cachedTokens / total.promptTokens : 0
  return (
    <>
      <dl className={styles.totals}>
        <Figure name="Cost" value={usd(total.costUsd)} />
        <Figure
          name="Tokens in"
          value={compact(total.promptTokens)}
          note={`${Math.round(cachedPart * 100)} % from cache`}
        />
        <Figure name="Tokens out" value={compact(total.completionTokens)} />
        <Figure name="Calls" value={exact(total.calls)} />
      </dl>
      {(total.unpricedCalls > 0 || total.unreportedCalls > 0) && (
        <p className={styles.note}>
          {total.unpricedCalls > 0 &&
            `${exact(total.unpricedCalls)} calls were of models without a price here; they are not in the cost. `}
          {total.unreportedCalls > 0 &&
            `Of ${exact(total.unreportedCalls)} calls the model server told no tokens; their cost is estimated.`}
        </p>
      )}
    </>
  )
}

function Figure({ name, value, note }: { name: string; value: string; note?: string }) {
  return (
    <div className={styles.figure}>
      <dt>{name}</dt>
      <dd>
        {value} {note && <small>{note}</small>}
      </dd>
    </div>
  )
}
