/**
 * Whether there is money for new work. Asked in the transaction that admits it. Invariants: without a budget nothing is
 * checked; with one, what cannot be read or priced is refused and never let through for nothing.
 * Source: 30-cloud-agent-api §15.
 */
import { type BudgetScope, CorralError, type CreditDetails, invalidInput, type SessionId } from '@corral/protocol'
import type { Tx } from '../database/transaction.ts'
import type { Caller } from '../identity/caller.ts'

/** Who pays: the budgets of the session, of its owner, and of its organization. */
export type Payers = { id: SessionId; userId: string; organizationId: string | null }

export type Credits = {
  /** Throws `insufficient_credits` when less than the minimum remains of any budget. */
  require(tx: Tx, caller: Pick<Caller, 'skipsBalanceCheck'>, payers: Payers, model: string): Promise<void>
}

export function createCredits(options: { minimumUsd: number; isPriced(model: string): boolean }): Credits {
  const { minimumUsd, isPriced } = options
  return {
    async require(tx, caller, payers, model) {
      if (caller.skipsBalanceCheck) return
      const tightest = await readTightest(tx, payers)
      if (!tightest) return
      const { scope, remainingUsd } = tightest
      if (!isPriced(model)) {
        throw invalidInput('model', `has no price here, and the budget of the ${scope} needs one; ask your operator`)
      }
      if (remainingUsd >= minimumUsd) return
      throw new CorralError('insufficient_credits', {
        sentence: `The budget of the ${scope} has $${remainingUsd.toFixed(2)} left, and new work needs $${minimumUsd.toFixed(2)}. Ask your operator for more.`,
        details: { scope, remainingUsd, minimumUsd } satisfies CreditDetails,
      })
    },
  }
}

/** By `budget_pkey`, three rows at most. */
async function readTightest(tx: Tx, { id, userId, organizationId }: Payers) {
  try {
    const { rows } = await tx.client.query<{ scope: BudgetScope; remainingUsd: number }>({
      name: 'tightest_budget',
      text: `
        select scope, (limit_usd - spent_usd)::float8 as "remainingUsd" from budget
        where (scope, scope_id) in (('session', $1), ('user', $2), ('organization', $3))
        order by limit_usd - spent_usd limit 1`,
      values: [id, userId, organizationId],
    })
    return rows[0]
  } catch (cause) {
    throw new CorralError('unavailable', { sentence: 'The budgets cannot be read; try again in a moment.', cause })
  }
}
