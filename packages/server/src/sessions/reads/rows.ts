/**
 * Sessions as rows of metadata, whatever runs them: what lists, editors and the metadata feed show. A row's `revision`
 * rises with every change of it, which PostgreSQL sees to (migration `session_changes`). Reading wakes nothing.
 */
import {
  type AgentSessionId,
  CorralError,
  invalidInput,
  type ListRowsInput,
  type SessionId,
  type SessionRow,
} from '@corral/protocol'
import { and, desc, eq, getTableColumns, inArray, lt, type SQL, sql } from 'drizzle-orm'
import { session } from '../../database/schema.ts'
import type { Database, Orm } from '../../database/transaction.ts'
import type { Caller, Membership } from '../../identity/caller.ts'
import { named, ownedBy, type SessionName } from '../access.ts'
import { repositoryName } from '../configuration/repositoryName.ts'

export type LostSession = { row: SessionRow; deletedAt: number }

export type SessionRows = ReturnType<typeof createSessionRows>

export function createSessionRows(deps: { database: Pick<Database, 'orm'>; membership: Membership }) {
  const { orm } = deps.database

  return {
    async get(caller: Caller, which: SessionName): Promise<SessionRow> {
      const [row] = await rowsQuery(orm, and(named(which), ownedBy(caller)))
      if (!row) throw new CorralError('session_not_found')
      return viewOf(row)
    },

    /** As they are now; those that are not the caller's (any more) are left out. */
    async some(caller: Caller, ids: readonly SessionId[]): Promise<SessionRow[]> {
      if (ids.length === 0) return []
      const rows = await rowsQuery(orm, and(inArray(session.id, [...ids]), ownedBy(caller)))
      return rows.map(viewOf)
    },

    /** Those of these that are deleted, or are this user's no longer, as they were. */
    async lost(caller: Caller, ids: readonly SessionId[]): Promise<LostSession[]> {
      if (ids.length === 0) return []
      const own = and(inArray(session.id, [...ids]), eq(session.userId, caller.userId))
      const rows = await rowsQuery(orm, and(own, sql`not coalesce(${ownedBy(caller)}, false)`))
      return rows.map((row) => ({ row: viewOf(row), deletedAt: (row.deletedAt ?? new Date()).getTime() }))
    },

    /** Newest activity first. */
    async list(caller: Caller, input: ListRowsInput): Promise<{ sessions: SessionRow[]; nextCursor: string | null }> {
      const { organizationId, limit } = input
      if (organizationId !== undefined && !(await deps.membership(caller.userId, organizationId))) {
        throw new CorralError('organization_not_found')
      }
      const rows = await listQuery(orm, caller, input)
      const last = rows.at(limit - 1)
      return {
        sessions: rows.slice(0, limit).map(viewOf),
        nextCursor: rows.length > limit && last ? cursorOf(last.activity) : null,
      }
    },
  }
}

/** By `session_repository`, or without a repository by `session_owner`. One more than wanted. Exported for its plan. */
export function listQuery(orm: Orm, caller: Caller, input: ListRowsInput) {
  const { gitUrl, organizationId, cursor, roots, limit } = input
  return rowsQuery(
    orm,
    and(
      ownedBy(caller),
      gitUrl === undefined ? undefined : eq(session.repository, repositoryOf(gitUrl)),
      organizationId === undefined ? undefined : eq(session.organizationId, organizationId),
      roots === 'true' ? sql`${parentHere} is null` : undefined,
      cursor === undefined ? undefined : lt(session.activity, activityOf(cursor)),
    ),
  )
    .orderBy(desc(session.activity))
    .limit(limit + 1)
}

/** A parent that is here; one that was named and has not come is none yet. By `session_agent_session`. */
const parentHere = sql<AgentSessionId | null>`(
  select parent.agent_session_id from session parent
  where parent.user_id = session.user_id and parent.agent_session_id = session.parent_agent_session_id
    and parent.state <> 'deleted')`

/** Of what runs here, by `ask_pending` and `execution_open`; of what runs elsewhere, as its agent has told. */
const status = sql<string | null>`case
  when session.agent_kind = 'external' then session.status
  when exists (select 1 from ask where ask.session_id = session.id and settled_at is null
    and ask.state = 'open' and kind = 'question') then 'question'
  when exists (select 1 from ask where ask.session_id = session.id and settled_at is null
    and ask.state = 'open' and kind = 'permission') then 'permission'
  when exists (select 1 from execution where execution.session_id = session.id
    and execution.state in ('queued', 'running')) then 'busy'
  else 'idle' end`

const rowsQuery = (orm: Orm, where: SQL | undefined) =>
  orm
    .select({ ...getTableColumns(session), parent: parentHere, statusNow: status })
    .from(session)
    .where(where)
    .$dynamic()

function viewOf(row: Awaited<ReturnType<typeof rowsQuery>>[number]): SessionRow {
  return {
    sessionId: row.agentSessionId,
    cloudAgentSessionId: row.id,
    createdAt: row.createdAt.getTime(),
    updatedAt: row.updatedAt.getTime(),
    title: row.title,
    createdOnPlatform: row.configuration.createdOnPlatform,
    organizationId: row.organizationId,
    gitUrl: row.repository || null,
    gitBranch: row.gitBranch,
    parentSessionId: row.parent,
    status: row.statusNow,
    statusUpdatedAt: row.statusAt?.getTime() ?? null,
    agentKind: row.agentKind,
    revision: row.revision,
  }
}

function repositoryOf(gitUrl: string): string {
  if (gitUrl.startsWith('file:')) return gitUrl
  const name = repositoryName(gitUrl)
  if (name === null) throw invalidInput('gitUrl', 'is not the URL of a repository')
  return name
}

const cursorOf = (activity: number) => Buffer.from(String(activity)).toString('base64url')

function activityOf(cursor: string): number {
  const activity = Number(Buffer.from(cursor, 'base64url').toString())
  if (!Number.isSafeInteger(activity)) throw invalidInput('cursor', 'is not a cursor of this list')
  return activity
}
