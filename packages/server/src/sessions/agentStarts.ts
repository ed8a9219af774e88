/**
 * How many agents start now: each takes all of a core for seconds. Counted are those alone that are started, since
 * turns of agents that run begin all the time and would keep others out for ever; and for no longer than a start and its
 * one retry may take, so that a sandbox that hangs keeps nobody out.
 */
import { and, count, eq, gt, isNull, sql } from 'drizzle-orm'
import { execution } from '../database/schema.ts'
import type { Orm, Tx } from '../database/transaction.ts'

export type StartLimits = { agentStartsAtOnce: number; agentStartMs: number }

/** Asked where an agent is about to be started: of those who ask at once, each sees the starts of those before. */
export async function takeAgentStart(tx: Tx, limits: StartLimits): Promise<boolean> {
  await tx.orm.execute(sql`select pg_advisory_xact_lock(hashtext('corral: agent start'))`)
  return mayStartAgent(tx.orm, limits)
}

/** Index execution_running. */
export async function mayStartAgent(orm: Orm, { agentStartsAtOnce, agentStartMs }: StartLimits): Promise<boolean> {
  const [starting] = await orm
    .select({ count: count() })
    .from(execution)
    .where(
      and(
        eq(execution.state, 'running'),
        eq(execution.startsAgent, true),
        isNull(execution.startedAt),
        gt(execution.deliveredAt, sql`now() - ${2 * agentStartMs} * interval '1 ms'`),
      ),
    )
  return (starting?.count ?? 0) < agentStartsAtOnce
}
