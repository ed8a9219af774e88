/** How much of a budget is left. */
import type { Budget, BudgetScope } from '@corral/protocol'
import { Time } from '../ui/Time.tsx'
import styles from './BudgetBars.module.css'
import { usd } from './figures.ts'

const titles: Record<BudgetScope, string> = {
  user: 'Your budget',
  organization: 'The organization’s budget',
  session: 'The session’s budget',
}

export function BudgetBars({ budgets }: { budgets: readonly Budget[] }) {
  return (
    <div className={styles.budgets}>
      {budgets.map((budget) => {
        const { scope, id, limitUsd, spentUsd, remainingUsd, setAt } = budget
        const part = limitUsd > 0 ? Math.min(1, spentUsd / limitUsd) : 1
        const tone = remainingUsd <= 0 ? 'over' : part > 0.8 ? 'low' : 'well'
        return (
          <section key={`${scope} ${id}`} className={styles.budget} data-tone={tone} aria-label={titles[scope]}>
            <p className={styles.line}>
              <strong>{titles[scope]}</strong>
              <span>
                {usd(spentUsd)} of {usd(limitUsd)} since it was set, <Time at={setAt} />
              </span>
            </p>
            <span className={styles.track}>
              <span className={styles.spent} style={{ inlineSize: `${part * 100}%` }} />
            </span>
            {tone === 'over' && (
              <p className={styles.over}>It is used up: new work is refused until an operator sets it again.</p>
            )}
          </section>
        )
      })}
    </div>
  )
}
