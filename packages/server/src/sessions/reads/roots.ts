/**
 * Conversations as the clients of an agent's own API know them: sessions that run here and are nobody's child, by the
 * agent's id, by owner, and by repository. Reading starts, wakes and extends nothing. Invariant: what is another's,
 * deleted, pushed from elsewhere or no session at all is one and the same `session_not_found`.
 */
import {
  type AgentCommand,
  type AgentSessionId,
  type AskKind,
  CorralError,
  type ExecutionId,
  type SessionId,
} from '@corral/protocol'
import { and, desc, eq, gte, inArray, isNotNull, lt, type SQL, sql } from 'drizzle-orm'
import { ask, suggestion } from '../../database/askTables.ts'
import { type ExecutionRequest, execution, session, sessionHead, workspace } from '../../database/schema.ts'
import { sessionIdOf, sessionUuid } from '../../database/sessionUuid.ts'
import type { Database } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import { ownedBy } from '../access.ts'
import { isRoot } from './rootCondition.ts'

export type Root = typeof session.$inferSelect

export type RootStatus =
  | { type: 'idle' }
  | { type: 'busy' }
  | { type: 'retry'; attempt: number; message: string; next: number }

/** What was asked for last, and what its calls of models have used. */
export type RootFigures = {
  request: ExecutionRequest | null
  costUsd: number
  promptTokens: number
  cachedTokens: number
  completionTokens: number
}

export type RootQuery = {
  limit: number
  /** Normalized. */
  repository?: string | undefined
  /** Changed at or after. */
  start?: Date | undefined
  /** In the title, in any case. */
  search?: string | undefined
  only?: SessionId | undefined
  /** An `activity`; those before it. */
  before?: number | undefined
}

export type RootAsk = { root: Root; request: Record<string, unknown> }

export type Roots = ReturnType<typeof createRoots>

/** What one look at open asks shows. */
const mostAsks = 1_000
/** A retry is the last thing that an agent says until it tries again; sub-agents may say a little more meanwhile. */
const statusEvents = 50

export function createRoots({ pool, orm }: Pick<Database, 'pool' | 'orm'>) {
  async function one(caller: Caller, which: SQL): Promise<Root> {
    const [row] = await orm
      .select()
      .from(session)
      .where(and(which, ownedBy(caller), isRoot))
    if (!row) throw new CorralError('session_not_found')
    return row
  }

  return {
    find: (caller: Caller, agentSessionId: AgentSessionId) => one(caller, eq(session.agentSessionId, agentSessionId)),
    findById: (caller: Caller, id: SessionId) => one(caller, eq(session.id, id)),

    /** Newest activity first; by `session_root_repository`, or without a repository by `session_root`. */
    list: (caller: Caller, query: RootQuery): Promise<Root[]> => listQuery(orm, caller, query).execute(),

    /** Of those that are not idle; by `execution_open`, which holds what is not over. */
    async status(
      caller: Caller,
      only?: SessionId,
    ): Promise<Map<SessionId, { agentSessionId: AgentSessionId; status: RootStatus }>> {
      const busy = await orm
        .selectDistinct({ id: session.id, agentSessionId: session.agentSessionId })
        .from(execution)
        .innerJoin(session, eq(session.id, execution.sessionId))
        .where(
          and(
            sql`${execution.state} in ('queued', 'running')`,
            ownedBy(caller),
            isRoot,
            only === undefined ? undefined : eq(session.id, only),
          ),
        )
      const retries = await retriesOf(busy)
      return new Map(
        busy.map(({ id, agentSessionId }) => [id, { agentSessionId, status: retries.get(id) ?? { type: 'busy' } }]),
      )
    },

    /** In the order of `ids`; by `execution_order` and `model_call_session`. */
    async figures(ids: readonly SessionId[]): Promise<Map<SessionId, RootFigures>> {
      const { rows } = await pool.query<RootFigures & { id: string }>({
        name: 'root_figures',
        text: `
          select s.id, e.request, u.* from unnest($1::uuid[]) s (id)
          left join lateral (
            select request from execution where session_id = s.id order by queued_seq desc limit 1) e on true
          cross join lateral (
            select coalesce(sum(cost_usd), 0)::float8 as "costUsd", coalesce(sum(prompt_tokens), 0)::float8 as "promptTokens",
              coalesce(sum(cached_tokens), 0)::float8 as "cachedTokens",
              coalesce(sum(completion_tokens), 0)::float8 as "completionTokens"
            from model_call where session_id = s.id) u`,
        values: [ids.map(sessionUuid)],
      })
      return new Map(rows.map(({ id, ...figures }) => [sessionIdOf(id), figures]))
    },

    /** Open ones, oldest first; by `ask_pending`. Those of sub-agents are their root's. */
    async asks(caller: Caller, kind: AskKind, only?: SessionId): Promise<RootAsk[]> {
      return orm
        .select({ root: session, request: ask.request })
        .from(ask)
        .innerJoin(session, eq(session.id, ask.sessionId))
        .where(
          and(
            sql`${ask.settledAt} is null and ${ask.state} = 'open'`,
            eq(ask.kind, kind),
            ownedBy(caller),
            isRoot,
            only === undefined ? undefined : eq(session.id, only),
          ),
        )
        .orderBy(ask.askedAt, ask.id)
        .limit(mostAsks)
    },

    /** Whatever became of it; null unless exactly one session has it. By `ask_id`. */
    async findAsk(
      caller: Caller,
      which: { kind: AskKind; askId: string },
      only?: SessionId,
    ): Promise<{ root: Root; request: Record<string, unknown> } | null> {
      const rows = await orm
        .select({ root: session, request: ask.request })
        .from(ask)
        .innerJoin(session, eq(session.id, ask.sessionId))
        .where(
          and(
            eq(ask.id, which.askId),
            eq(ask.kind, which.kind),
            ownedBy(caller),
            isRoot,
            only === undefined ? undefined : eq(session.id, only),
          ),
        )
        .limit(2)
      const [found, other] = rows
      return found && !other ? found : null
    },

    /** Of the newest session whose agent has told them: what a client may offer before it has a session. */
    async newestCommands(caller: Caller): Promise<AgentCommand[]> {
      const [row] = await orm
        .select({ commands: workspace.commands })
        .from(session)
        .innerJoin(workspace, eq(workspace.sessionId, session.id))
        .where(and(ownedBy(caller), isRoot, isNotNull(workspace.commands)))
        .orderBy(desc(session.activity))
        .limit(1)
      return row?.commands ?? []
    },

    /** Open ones, oldest first; by `suggestion_open`. Those of sub-agents are their root's. */
    async suggestions(caller: Caller, only?: SessionId): Promise<RootAsk[]> {
      return orm
        .select({ root: session, request: suggestion.request })
        .from(suggestion)
        .innerJoin(session, eq(session.id, suggestion.sessionId))
        .where(
          and(
            eq(suggestion.state, 'open'),
            ownedBy(caller),
            isRoot,
            only === undefined ? undefined : eq(session.id, only),
          ),
        )
        .orderBy(suggestion.shownAt, suggestion.id)
        .limit(mostAsks)
    },

    /** Whatever became of it; null unless exactly one session has it. By `suggestion_id`. */
    async findSuggestion(caller: Caller, suggestionId: string, only?: SessionId): Promise<RootAsk | null> {
      const [found, other] = await orm
        .select({ root: session, request: suggestion.request })
        .from(suggestion)
        .innerJoin(session, eq(session.id, suggestion.sessionId))
        .where(
          and(
            eq(suggestion.id, suggestionId),
            ownedBy(caller),
            isRoot,
            only === undefined ? undefined : eq(session.id, only),
          ),
        )
        .limit(2)
      return found && !other ? found : null
    },

    /** The user's messages of these executions. */
    async messageIds(ids: readonly ExecutionId[]): Promise<Map<ExecutionId, string>> {
      if (ids.length === 0) return new Map()
      const rows = await orm
        .select({ id: execution.id, messageId: execution.messageId })
        .from(execution)
        .where(inArray(execution.id, [...ids]))
      return new Map(rows.map(({ id, messageId }) => [id, messageId]))
    },

    async lastSeq(id: SessionId): Promise<number> {
      const [head] = await orm.select().from(sessionHead).where(eq(sessionHead.sessionId, id))
      return head?.lastSeq ?? 0
    },

    /** The last event of that type which is the root's own; backwards along the key of `event`. */
    async lastEvent(root: Root, type: string): Promise<Record<string, unknown> | null> {
      const { rows } = await pool.query<{ properties: Record<string, unknown> }>({
        name: 'last_event_of_type',
        text: `select data::json -> 'properties' as properties from event
               where session_id = $1 and type = 'kilocode' and starts_with(data, $2)
                 and data::json #>> '{properties,sessionID}' = $3
               order by seq desc limit 1`,
        values: [sessionUuid(root.id), `{"type":${JSON.stringify(type)}`, root.agentSessionId],
      })
      return rows[0]?.properties ?? null
    },
  }

  /** Of those that work: the ones whose last word is that they try again. */
  async function retriesOf(busy: readonly Pick<Root, 'id' | 'agentSessionId'>[]): Promise<Map<SessionId, RootStatus>> {
    if (busy.length === 0) return new Map()
    const { rows } = await pool.query<{ id: string; status: Record<string, unknown> }>({
      name: 'root_statuses',
      text: `
        select s.id, last.status from unnest($1::uuid[], $2::text[]) s (id, agent_session_id)
        cross join lateral (
          select data::json #> '{properties,status}' as status from (
            select seq, data from event where session_id = s.id order by seq desc limit ${statusEvents}) recent
          where starts_with(data, '{"type":"session.status"')
            and data::json #>> '{properties,sessionID}' = s.agent_session_id
          order by seq desc limit 1) last`,
      values: [busy.map(({ id }) => sessionUuid(id)), busy.map(({ agentSessionId }) => agentSessionId)],
    })
    return new Map(
      rows.flatMap(({ id, status }) => {
        const { type, attempt, message, next } = status
        if (type !== 'retry' || typeof attempt !== 'number' || typeof next !== 'number') return []
        return [[sessionIdOf(id), { type, attempt, message: typeof message === 'string' ? message : '', next }]]
      }),
    )
  }
}

/** Exported for the test of its plan. */
export function listQuery(orm: Database['orm'], caller: Caller, query: RootQuery) {
  return orm
    .select()
    .from(session)
    .where(
      and(
        ownedBy(caller),
        isRoot,
        query.only === undefined ? undefined : eq(session.id, query.only),
        query.repository === undefined ? undefined : eq(session.repository, query.repository),
        query.start === undefined ? undefined : gte(session.updatedAt, query.start),
        query.search === undefined
          ? undefined
          : sql`${session.title} ilike ${`%${query.search.replace(/[\\%_]/g, '\\$&')}%`}`,
        query.before === undefined ? undefined : lt(session.activity, query.before),
      ),
    )
    .orderBy(desc(session.activity))
    .limit(query.limit)
}
