/** What a session has used of models, in all and by execution, from the rows that the gateway writes. */
import type { ExecutionId, Usage, UsageFigures } from '@corral/protocol'
import { sql } from 'drizzle-orm'
import type { session } from '../../database/schema.ts'
import { sessionUuid } from '../../database/sessionUuid.ts'
import type { Orm } from '../../database/transaction.ts'

type Row = UsageFigures & { executionId: ExecutionId | null }

/** The columns of `UsageFigures`, over rows of model calls. */
export const usageFigures = sql`count(*)::int as calls,
  coalesce(sum(prompt_tokens), 0)::float8 as "promptTokens",
  coalesce(sum(cached_tokens), 0)::float8 as "cachedTokens",
  coalesce(sum(completion_tokens), 0)::float8 as "completionTokens",
  coalesce(sum(cost_usd), 0)::float8 as "costUsd",
  (count(*) filter (where ended_at is not null and status < 300 and completion_tokens is null))::int
    as "unreportedCalls",
  (count(*) filter (where ended_at is not null and cost_usd is null))::int as "unpricedCalls"`

/** By `model_call_session`. Calls of no execution (a title) count for the session alone. */
export async function usageOf(
  orm: Orm,
  owner: Pick<typeof session.$inferSelect, 'id' | 'agentSessionId'>,
  executionId: ExecutionId | null,
): Promise<Usage> {
  const { rows } = await orm.execute<Row>(sql`
    select execution_id as "executionId", ${usageFigures}
    from model_call
    where session_id = ${sessionUuid(owner.id)} and (${executionId}::text is null or execution_id = ${executionId})
    group by execution_id order by min(started_at)`)
  return {
    cloudAgentSessionId: owner.id,
    kiloSessionId: owner.agentSessionId,
    ...rows.reduce(sum, noUsage),
    executions: rows.flatMap(({ executionId: id, ...figures }) =>
      id === null ? [] : [{ executionId: id, ...figures }],
    ),
  }
}

export const noUsage: UsageFigures = {
  calls: 0,
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  costUsd: 0,
  unreportedCalls: 0,
  unpricedCalls: 0,
}

const sum = (one: UsageFigures, other: UsageFigures): UsageFigures => ({
  calls: one.calls + other.calls,
  promptTokens: one.promptTokens + other.promptTokens,
  cachedTokens: one.cachedTokens + other.cachedTokens,
  completionTokens: one.completionTokens + other.completionTokens,
  costUsd: one.costUsd + other.costUsd,
  unreportedCalls: one.unreportedCalls + other.unreportedCalls,
  unpricedCalls: one.unpricedCalls + other.unpricedCalls,
})
