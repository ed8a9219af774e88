/** What may be spent, and what was. All amounts are US dollars. Source: 30-cloud-agent-api §15, 20 "Usage", "Budgets". */
import { z } from 'zod'
import type { AgentSessionId, ExecutionId, SessionId } from '../ids.ts'

export const budgetScopes = ['session', 'user', 'organization'] as const
export type BudgetScope = (typeof budgetScopes)[number]

/** `id` is the name of the session (`agent_…`), the user or the organization. Null takes the budget away. */
export const setBudgetInput = z.strictObject({
  scope: z.enum(budgetScopes),
  id: z.string().min(1).max(200),
  limitUsd: z.number().nonnegative().max(1_000_000_000).nullable(),
})
export const listBudgetsInput = z.strictObject({})

/** What may be spent from the moment on at which it was set, and what of it has been. */
export type Budget = {
  scope: BudgetScope
  id: string
  limitUsd: number
  spentUsd: number
  /** Below zero when the last call cost more than was left. */
  remainingUsd: number
  setAt: number
}

/** Of `insufficient_credits`. */
export type CreditDetails = { scope: BudgetScope; remainingUsd: number; minimumUsd: number }

export type UsageFigures = {
  /** Calls of models. */
  calls: number
  promptTokens: number
  /** What of the prompts was read from a cache. */
  cachedTokens: number
  completionTokens: number
  costUsd: number
  /** Calls whose model server told no tokens; their cost is estimated. */
  unreportedCalls: number
  /** Calls of models without a price; they are not in the cost. */
  unpricedCalls: number
}
export type Usage = UsageFigures & {
  cloudAgentSessionId: SessionId
  kiloSessionId: AgentSessionId
  /** In the order in which they began to call models. */
  executions: (UsageFigures & { executionId: ExecutionId })[]
}
