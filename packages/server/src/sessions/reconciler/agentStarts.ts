/**
 * How many agents start now: each takes all of a core for seconds. Counted are those alone that are started, since
 * turns of agents that run begin all the time and would keep others out for ever; and for no longer than a start and its
 * one retry may take, so that a sandbox that hangs keeps nobody out. What nobody waits for yet leaves room for what
 * somebody waits for.
 */
import { sql } from 'drizzle-orm'
import type { Orm, Tx } from '../../database/transaction.ts'

export type StartLimits = {
  agentStartsAtOnce: number
  agentStartMs: number
  /** Whether somebody waits for it; else its session is prepared and not initiated. */
  waits: boolean
}

/** Asked where an agent is about to be started: of those who ask at once, each sees the starts of those before. */
export async function takeAgentStart(tx: Tx, limits: StartLimits): Promise<boolean> {
  await tx.orm.execute(sql`select pg_advisory_xact_lock(hashtext('corral: agent start'))`)
  return mayStartAgent(tx.orm, limits)
}

/** Indexes execution_running, workspace_warming, execution_open. */
export async function mayStartAgent(
  orm: Orm,
  { agentStartsAtOnce, agentStartMs, waits }: StartLimits,
): Promise<boolean> {
  const since = sql`now() - ${2 * agentStartMs} * interval '1 ms'`
  const { rows } = await orm.execute<{ starting: number; waiting: number }>(sql`
    select
      (select count(*)::int from execution
        where state = 'running' and starts_agent and started_at is null and delivered_at > ${since})
      + (select count(*)::int from workspace where warm_up = 'running' and warming_since > ${since}) as starting,
      (select count(*)::int from workspace w where not ${waits}::boolean and w.agent_until is null and w.warm_up <> 'running'
        and w.session_id in (select q.session_id from execution q where q.state = 'queued')
        and w.session_id not in (select r.session_id from execution r where r.state = 'running')) as waiting`)
  const [{ starting, waiting } = { starting: 0, waiting: 0 }] = rows
  return starting + waiting < agentStartsAtOnce
}
