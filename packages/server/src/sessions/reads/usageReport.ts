/**
 * What was spent in a range of days, and what sessions have cost, from the rows that the gateway writes. One's own, or,
 * for owners and admins, an organization's; of others' sessions there is no id and no title in it.
 */
import type { GetUsageReportInput, SessionCosts, SessionId, UsageFigures, UsageReport } from '@corral/protocol'
import { and, inArray, sql } from 'drizzle-orm'
import { modelCall } from '../../database/gatewayTables.ts'
import { user } from '../../database/identityTables.ts'
import { session } from '../../database/schema.ts'
import { sessionIdOf } from '../../database/sessionUuid.ts'
import type { Orm } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import { requireRole } from '../../identity/roles.ts'
import { ownedBy } from '../access.ts'
import { noUsage, usageFigures } from '../executions/usage.ts'

const mostOfEach = { sessions: 100, others: 1_000 }

/** What a row is the sum of, as `grouping(day, model, user_id, session_id)` numbers it: a bit for each that it is not. */
const sums = { total: 0b1111, day: 0b0111, model: 0b1011, user: 0b1101, session: 0b1110 } as const
type Row = UsageFigures & { sum: number; key: string | null; label: string | null }

export async function readUsageReport(
  orm: Orm,
  caller: Caller,
  input: GetUsageReportInput,
): Promise<Omit<UsageReport, 'budgets'>> {
  const { from, to, kilocodeOrganizationId } = input
  if (kilocodeOrganizationId !== undefined) await requireRole(orm, caller, kilocodeOrganizationId, 'admin')
  const { rows } = await orm.execute<Row>(reportQuery(caller, input))
  const of = <T>(sum: number, named: (key: string, label: string | null) => T) =>
    rows.flatMap((row) => {
      const { sum: its, key, label, ...figures } = row
      return its === sum && key !== null ? [{ ...named(key, label), ...figures }] : []
    })
  const [total = noUsage] = rows.flatMap(({ sum, key: _, label: __, ...figures }) =>
    sum === sums.total ? [figures] : [],
  )
  return {
    from,
    to,
    total,
    days: of(sums.day, (day) => ({ day })).sort((one, other) => (one.day < other.day ? -1 : 1)),
    models: of(sums.model, (model) => ({ model })),
    users: of(sums.user, (userId, name) => ({ userId, name })),
    sessions: of(sums.session, (id, title) => ({ cloudAgentSessionId: sessionIdOf(id), title })),
  }
}

/** By `model_call_user`, or for an organization by `model_call_organization`. Exported for its plan. */
export function reportQuery(caller: Caller, { from, to, kilocodeOrganizationId }: GetUsageReportInput) {
  const whose =
    kilocodeOrganizationId === undefined
      ? sql`user_id = ${caller.userId}`
      : sql`organization_id = ${kilocodeOrganizationId}`
  return sql`
    with call as (
      select *, (started_at at time zone 'UTC')::date::text as day, upstream || '/' || model as name,
        case when user_id = ${caller.userId} then session_id end as own_session
      from ${modelCall}
      where ${whose} and started_at >= ${from}::timestamp at time zone 'UTC'
        and started_at < (${to}::timestamp + interval '1 day') at time zone 'UTC'
    ), figures as (
      select grouping(day, name, user_id, own_session) as sum, day, name, user_id, own_session, ${usageFigures}
      from call group by grouping sets ((), (day), (name), (user_id), (own_session))
    ), ranked as (
      select *, row_number() over (partition by sum order by "costUsd" desc, calls desc) as place from figures
    )
    select sum, coalesce(day, ranked.name, user_id, own_session::text) as key,
      case sum when ${sums.user}::int then (select ${user.name} from ${user} where ${user.id} = ranked.user_id)
        when ${sums.session}::int then
          (select ${session.title} from ${session} where ${session.id} = own_session and ${ownedBy(caller)}) end as label,
      calls, "promptTokens", "cachedTokens", "completionTokens", "costUsd", "unreportedCalls", "unpricedCalls"
    from ranked
    where place <= case sum when ${sums.session}::int then ${mostOfEach.sessions}::int else ${mostOfEach.others}::int end
    order by sum, place`
}

/** By `model_call_session`. What is not the caller's is left out. */
export async function readSessionCosts(orm: Orm, caller: Caller, ids: readonly SessionId[]): Promise<SessionCosts> {
  const costs = await orm
    .select({
      cloudAgentSessionId: session.id,
      costUsd: sql<number>`coalesce(sum(${modelCall.costUsd}), 0)::float8`,
      unpricedCalls: sql<number>`(count(*) filter (where ${modelCall.endedAt} is not null and ${modelCall.costUsd} is null))::int`,
    })
    .from(session)
    .innerJoin(modelCall, sql`${modelCall.sessionId} = ${session.id}`)
    .where(and(inArray(session.id, [...ids]), ownedBy(caller)))
    .groupBy(session.id)
  return { costs }
}
