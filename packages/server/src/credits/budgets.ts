/**
 * Budgets: set and listed by operators. What is set counts from that moment on, so that setting it again gives as much
 * once more; the gateway adds what each call has cost.
 */
import { type Budget, type BudgetScope, CorralError, sessionIdSchema, type setBudgetInput } from '@corral/protocol'
import { and, asc, eq } from 'drizzle-orm'
import type { z } from 'zod'
import { budget } from '../database/gatewayTables.ts'
import { organization, user } from '../database/identityTables.ts'
import { session } from '../database/schema.ts'
import type { Database, Orm } from '../database/transaction.ts'
import { recordAudit } from '../identity/audit.ts'
import type { Authenticated } from '../identity/caller.ts'
import { requireOperator } from '../identity/roles.ts'

export type Budgets = ReturnType<typeof createBudgets>

export function createBudgets({ database }: { database: Database }) {
  return {
    /** Null when it was taken away. */
    async set(caller: Authenticated, input: z.output<typeof setBudgetInput>): Promise<{ budget: Budget | null }> {
      const { scope, id: scopeId, limitUsd } = input
      await requireOperator(database.orm, caller)
      return database.transaction(async (tx) => {
        await requireThere(tx.orm, scope, scopeId)
        await tx.orm.delete(budget).where(and(eq(budget.scope, scope), eq(budget.scopeId, scopeId)))
        await recordAudit(tx, caller, { action: 'budget.set', subject: scopeId, details: { scope, limitUsd } })
        if (limitUsd === null) return { budget: null }
        const [made] = await tx.orm.insert(budget).values({ scope, scopeId, limitUsd }).returning()
        return { budget: made ? viewOf(made) : null }
      })
    },

    async list(caller: Authenticated): Promise<{ budgets: Budget[] }> {
      await requireOperator(database.orm, caller)
      const rows = await database.orm.select().from(budget).orderBy(asc(budget.scope), asc(budget.scopeId))
      return { budgets: rows.map(viewOf) }
    },

    /** What limits one user or organization; whoever asks for it has looked at who may know. */
    async of(scope: BudgetScope, id: string): Promise<Budget[]> {
      const rows = await database.orm
        .select()
        .from(budget)
        .where(and(eq(budget.scope, scope), eq(budget.scopeId, id)))
      return rows.map(viewOf)
    },
  }
}

async function requireThere(orm: Orm, scope: BudgetScope, id: string): Promise<void> {
  switch (scope) {
    case 'session': {
      const named = sessionIdSchema.safeParse(id)
      const found = named.success ? await orm.select({}).from(session).where(eq(session.id, named.data)) : []
      if (found.length === 0) throw new CorralError('session_not_found')
      return
    }
    case 'user': {
      const found = await orm.select({}).from(user).where(eq(user.id, id))
      if (found.length === 0) throw new CorralError('user_not_found')
      return
    }
    case 'organization': {
      const found = await orm.select({}).from(organization).where(eq(organization.id, id))
      if (found.length === 0) throw new CorralError('organization_not_found')
    }
  }
}

const viewOf = ({ scope, scopeId, limitUsd, spentUsd, setAt }: typeof budget.$inferSelect): Budget => ({
  scope,
  id: scopeId,
  limitUsd,
  spentUsd,
  remainingUsd: limitUsd - spentUsd,
  setAt: setAt.getTime(),
})
