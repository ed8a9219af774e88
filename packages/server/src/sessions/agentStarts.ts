/**
 * How many agents start now: each takes all of a core for seconds. Counted are those alone that are started, since
 * turns of agents that run begin all the time and would keep others out for ever; and for no longer than a start may
 * take, so that a sandbox that hangs keeps nobody out.
 */
import { and, count, eq, gt, isNull, sql } from 'drizzle-orm'
import { execution } from '../database/schema.ts'
import type { Orm } from '../database/transaction.ts'

/** Index execution_running. */
export async function mayStartAgent(
  orm: Orm,
  { agentStartsAtOnce, agentStartMs }: { agentStartsAtOnce: number; agentStartMs: number },
): Promise<boolean> {
  const [starting] = await orm
    .select({ count: count() })
    .from(execution)
    .where(
      and(
        eq(execution.state, 'running'),
        eq(execution.startsAgent, true),
        isNull(execution.startedAt),
        gt(execution.deliveredAt, sql`now() - ${agentStartMs} * interval '1 ms'`),
      ),
    )
  return (starting?.count ?? 0) < agentStartsAtOnce
}
