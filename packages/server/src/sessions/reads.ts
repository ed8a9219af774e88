/**
 * What is read of sessions: views of rows and log, each behind the same look at who may. Reading wakes nothing and
 * shows no value of a variable, no token and no setup command. Source: 30-cloud-agent-api §6, §13.
 */
import {
  type AgentSessionId,
  type ConnectedFrame,
  CorralError,
  type ExecutionId,
  failures,
  type ListSessionsInput,
  type MessageResult,
  type SessionDiff,
  type SessionExport,
  type SessionId,
  type SessionList,
  type SessionView,
  type Timing,
} from '@corral/protocol'
import { assistantText, exportOf, timing } from '@corral/transcript'
import { and, asc, count, desc, eq, inArray, isNotNull, lt, max, sql } from 'drizzle-orm'
import type { Timers } from '../config.ts'
import { event, execution, sandbox, session, sessionHead, workspace } from '../database/schema.ts'
import type { Database, Orm } from '../database/transaction.ts'
import type { Caller, Membership } from '../identity/caller.ts'
import type { Links } from '../supervisors/links.ts'
import { findOwned, ownedBy } from './access.ts'
import { placesOf } from './places.ts'
import { readTranscript } from './readTranscript.ts'
import { type RepositoryPolicy, repositoryIdentity } from './repository.ts'

type SessionRow = typeof session.$inferSelect
type ExecutionRow = typeof execution.$inferSelect

/** How often a waiting read looks again; commits wake it earlier. */
const resultPollMs = 250

export function createReads(deps: {
  database: Database
  links: Links
  membership: Membership
  repositories: RepositoryPolicy
  timers: Timers
}) {
  const { orm } = deps.database
  const { links, timers } = deps

  async function viewsOf(rows: SessionRow[]): Promise<SessionView[]> {
    if (rows.length === 0) return []
    const ids = rows.map((row) => row.id)
    const [heads, workspaces, sandboxes, running, queued] = await Promise.all([
      orm.select().from(sessionHead).where(inArray(sessionHead.sessionId, ids)),
      orm.select().from(workspace).where(inArray(workspace.sessionId, ids)),
      orm
        .select({ sessionId: session.id, row: sandbox })
        .from(session)
        .innerJoin(sandbox, eq(sandbox.id, session.sandboxId))
        .where(inArray(session.id, ids)),
      orm
        .select()
        .from(execution)
        .where(and(inArray(execution.sessionId, ids), eq(execution.state, 'running'))),
      orm
        .select({ sessionId: execution.sessionId, count: count() })
        .from(execution)
        .where(and(inArray(execution.sessionId, ids), eq(execution.state, 'queued')))
        .groupBy(execution.sessionId),
    ])
    return rows.map((row) => {
      const of = <T extends { sessionId: SessionId }>(candidates: T[]) =>
        candidates.find((candidate) => candidate.sessionId === row.id)
      const head = of(heads)
      const { configuration } = row
      const space = of(workspaces)
      const box = of(sandboxes)?.row
      return {
        sessionId: row.id,
        kiloSessionId: row.agentSessionId,
        userId: row.userId,
        ...(row.organizationId ? { orgId: row.organizationId } : {}),
        sandboxId: placesOf(row).sandboxName,
        agentKind: row.agentKind,
        ...(configuration.githubRepo ? { githubRepo: configuration.githubRepo } : {}),
        ...(configuration.gitUrl ? { gitUrl: configuration.gitUrl } : {}),
        prompt: configuration.prompt,
        mode: configuration.mode,
        model: configuration.model,
        ...(configuration.variant ? { variant: configuration.variant } : {}),
        autoCommit: configuration.autoCommit,
        condenseOnComplete: configuration.condenseOnComplete,
        ...(configuration.upstreamBranch ? { upstreamBranch: configuration.upstreamBranch } : {}),
        envVarCount: Object.keys(configuration.envVars).length,
        secretCount: 0,
        setupCommandCount: configuration.setupCommands.length,
        mcpServerCount: 0,
        hasCallback: false,
        createdOnPlatform: configuration.createdOnPlatform,
        title: row.title,
        execution: executionView(of(running), box?.id),
        queuedCount: of(queued)?.count ?? 0,
        sandboxStatus: box?.state ?? 'stopped',
        workspace: workspaceView(space),
        ...(row.preparedAt ? { preparedAt: row.preparedAt.getTime() } : {}),
        ...(row.initiatedAt ? { initiatedAt: row.initiatedAt.getTime() } : {}),
        latestEventId: head?.lastSeq ?? 0,
        timestamp: row.updatedAt.getTime(),
        version: row.configVersion,
      }
    })
  }

  function executionView(row: ExecutionRow | undefined, box: (typeof sandbox.$inferSelect)['id'] | undefined) {
    if (!row) return null
    const link = box ? links.of(box) : null
    const silentMs = link ? performance.now() - link.lastSeenAt : null
    return {
      id: row.id,
      status: row.state,
      startedAt: row.startedAt?.getTime() ?? null,
      lastHeartbeat: silentMs === null ? null : Math.round(Date.now() - silentMs),
      error: row.failureMessage,
      health:
        silentMs === null
          ? ('unknown' as const)
          : silentMs < timers.linkSilenceMs
            ? ('healthy' as const)
            : ('stale' as const),
    }
  }

  async function findExecution(sessionId: SessionId, executionId: ExecutionId): Promise<ExecutionRow> {
    const [row] = await orm
      .select()
      .from(execution)
      .where(and(eq(execution.id, executionId), eq(execution.sessionId, sessionId)))
    if (!row) throw new CorralError('execution_not_found')
    return row
  }

  return {
    async get(
      caller: Caller,
      which: { sessionId: SessionId } | { agentSessionId: AgentSessionId },
    ): Promise<SessionView> {
      const [view] = await viewsOf([await findOwned(orm, caller, which)])
      if (!view) throw new CorralError('session_not_found')
      return view
    },

    async list(caller: Caller, input: ListSessionsInput): Promise<SessionList> {
      const { kilocodeOrganizationId: organizationId } = input
      if (organizationId && !(await deps.membership(caller.userId, organizationId))) {
        throw new CorralError('organization_not_found')
      }
      const repository = input.gitUrl === undefined ? null : await repositoryIdentity(input, deps.repositories)
      const rows = await orm
        .select()
        .from(session)
        .where(
          and(
            ownedBy(caller),
            organizationId ? eq(session.organizationId, organizationId) : undefined,
            repository === null ? undefined : eq(session.repository, repository),
            input.agentKind ? eq(session.agentKind, input.agentKind) : undefined,
            input.cursor === undefined ? undefined : lt(session.activity, cursorActivity(input.cursor)),
          ),
        )
        .orderBy(desc(session.activity))
        .limit(input.limit + 1)
      const page = rows.slice(0, input.limit)
      const views = await viewsOf(page)
      const last = page.at(-1)
      return {
        sessions: views.map(({ prompt: _, ...view }) => view),
        nextCursor: rows.length > input.limit && last ? Buffer.from(String(last.activity)).toString('base64url') : null,
      }
    },

    async result(caller: Caller, id: SessionId, executionId: ExecutionId, waitMs: number): Promise<MessageResult> {
      const owner = await findOwned(orm, caller, { sessionId: id })
      const deadline = performance.now() + waitMs
      let row = await findExecution(id, executionId)
      while (row.endedAt === null && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, Math.min(resultPollMs, deadline - performance.now())))
        row = await findExecution(id, executionId)
      }
      return resultOf(orm, owner, row)
    },

    async diff(caller: Caller, id: SessionId): Promise<SessionDiff> {
      const owner = await findOwned(orm, caller, { sessionId: id })
      const [space] = await orm.select().from(workspace).where(eq(workspace.sessionId, id))
      const live = await liveDiff(owner)
      const known = live ?? space?.diff ?? { base: space?.baseCommit ?? '', files: [], patch: '', truncated: false }
      return { ...known, cloudAgentSessionId: id, branch: space?.branch ?? null }
    },

    async timing(caller: Caller, id: SessionId, executionId?: ExecutionId): Promise<Timing> {
      await findOwned(orm, caller, { sessionId: id })
      const of = executionId ? await findExecution(id, executionId) : await newestExecution(orm, id)
      const view = timing(await timingEvents(orm, id, of), of?.id ?? null, Date.now())
      return { cloudAgentSessionId: id, executionId: of?.id ?? null, ...view }
    },

    async export(caller: Caller, id: SessionId): Promise<SessionExport> {
      const owner = await findOwned(orm, caller, { sessionId: id })
      return exportOf(await readTranscript(orm, id), {
        agentSessionId: owner.agentSessionId,
        title: owner.title,
        directory: placesOf(owner).workspacePath,
        createdAt: owner.createdAt.getTime(),
        updatedAt: owner.updatedAt.getTime(),
        version: owner.agentVersion,
      })
    },

    async access(caller: Caller, id: SessionId) {
      const row = await findOwned(orm, caller, { sessionId: id })
      const [head] = await orm.select().from(sessionHead).where(eq(sessionHead.sessionId, id))
      return {
        id,
        agentSessionId: row.agentSessionId,
        organizationId: row.organizationId,
        lastSeq: head?.lastSeq ?? 0,
        logId: row.logId,
      }
    },

    /** All of it as of one `seq`: one snapshot. */
    async connected(id: SessionId): Promise<ConnectedFrame['data'] | null> {
      return orm.transaction(
        async (tx) => {
          const [row] = await tx
            .select({ session, head: sessionHead, workspace, sandbox })
            .from(session)
            .innerJoin(sessionHead, eq(sessionHead.sessionId, session.id))
            .innerJoin(workspace, eq(workspace.sessionId, session.id))
            .leftJoin(sandbox, eq(sandbox.id, session.sandboxId))
            .where(eq(session.id, id))
          if (!row || row.session.state === 'deleted') return null
          const open = await tx
            .select()
            .from(execution)
            .where(and(eq(execution.sessionId, id), inArray(execution.state, ['queued', 'running'])))
            .orderBy(asc(execution.queuedSeq))
          const running = open.find((candidate) => candidate.state === 'running')
          return {
            status: open.length > 0 ? ('busy' as const) : ('idle' as const),
            logId: row.session.logId,
            lastEventId: row.head.lastSeq,
            sandbox: row.sandbox?.state ?? 'stopped',
            workspace: workspaceView(row.workspace),
            execution: running
              ? {
                  executionId: running.id,
                  startedAt: (running.startedAt ?? running.deliveredAt ?? running.createdAt).toISOString(),
                }
              : null,
            queue: open
              .filter((candidate) => candidate.state === 'queued')
              .map((candidate) => ({ executionId: candidate.id, createdAt: candidate.createdAt.toISOString() })),
            questions: [],
            permissions: [],
          }
        },
        { isolationLevel: 'repeatable read', accessMode: 'read only' },
      )
    },
  }

  /** As it is now, while the supervisor is there; else as of the end of the last turn. */
  async function liveDiff(owner: SessionRow) {
    const link = owner.sandboxId ? links.of(owner.sandboxId) : null
    if (!link) return null
    return link.call('session.diff', { session: owner.id }, timers.commandMs).catch(() => null)
  }
}

function workspaceView(space: typeof workspace.$inferSelect | undefined) {
  if (!space) return { state: 'absent' }
  return {
    state: space.state,
    ...(space.step ? { step: space.step } : {}),
    ...(space.reason ? { reason: space.reason } : {}),
    ...(space.message ? { message: space.message } : {}),
  }
}

async function resultOf(orm: Orm, owner: SessionRow, row: ExecutionRow): Promise<MessageResult> {
  const transcript = await readTranscript(orm, owner.id, row.id)
  const assistant = assistantText(transcript, { executionId: row.id, agentSessionId: owner.agentSessionId })
  const [ahead] = await orm
    .select({ count: count() })
    .from(execution)
    .where(
      and(eq(execution.sessionId, owner.id), eq(execution.state, 'queued'), lt(execution.queuedSeq, row.queuedSeq)),
    )
  const finalization = await orm
    .select({ data: event.data })
    .from(event)
    .where(and(eq(event.sessionId, owner.id), eq(event.executionId, row.id), eq(event.type, 'finalization')))
    .orderBy(asc(event.seq))
  return {
    cloudAgentSessionId: owner.id,
    kiloSessionId: owner.agentSessionId,
    executionId: row.id,
    status: row.state,
    ...(row.state === 'queued' ? { queuePosition: (ahead?.count ?? 0) + 1 } : {}),
    createdAt: row.createdAt.getTime(),
    ...(row.startedAt ? { startedAt: row.startedAt.getTime() } : {}),
    ...(row.endedAt ? { endedAt: row.endedAt.getTime() } : {}),
    ...(row.state === 'failed' && row.reason
      ? {
          failure: {
            reason: row.reason,
            message: row.failureMessage ?? failures[row.reason].sentence,
            retryable: failures[row.reason].retryable,
            httpStatus: failures[row.reason].httpStatus,
          },
        }
      : {}),
    ...(assistant ? { assistant } : {}),
    ...(finalization.length > 0 ? { finalization: finalization.map(({ data }) => JSON.parse(data)) } : {}),
  }
}

async function newestExecution(orm: Orm, id: SessionId): Promise<ExecutionRow | undefined> {
  const [row] = await orm
    .select()
    .from(execution)
    .where(eq(execution.sessionId, id))
    .orderBy(desc(execution.queuedSeq))
    .limit(1)
  return row
}

/** The events of one execution's start: its own, and what was prepared for it since the end of the one before. */
async function timingEvents(orm: Orm, id: SessionId, of: ExecutionRow | undefined) {
  const before = of
    ? await orm
        .select({ seq: max(event.seq) })
        .from(event)
        .innerJoin(execution, eq(execution.id, event.executionId))
        .where(
          and(
            eq(event.sessionId, id),
            eq(event.ends, true),
            lt(execution.queuedSeq, of.queuedSeq),
            isNotNull(execution.endedAt),
          ),
        )
    : []
  const rows = await orm
    .select()
    .from(event)
    .where(
      and(
        eq(event.sessionId, id),
        sql`${event.seq} > ${before[0]?.seq ?? 0}`,
        inArray(event.type, ['status', 'queued', 'started', 'complete', 'error', 'interrupted', 'finalization']),
      ),
    )
    .orderBy(asc(event.seq))
  const queued = of
    ? await orm
        .select()
        .from(event)
        .where(and(eq(event.sessionId, id), eq(event.seq, of.queuedSeq)))
    : []
  return [...queued, ...rows]
    .filter((row) => row.executionId === null || row.executionId === of?.id)
    .map((row) => ({ ...row, data: JSON.parse(row.data), at: row.at.getTime() }))
}

function cursorActivity(cursor: string): number {
  const activity = Number(Buffer.from(cursor, 'base64url').toString())
  if (!Number.isSafeInteger(activity)) {
    throw new CorralError('invalid_input', { details: [{ path: 'cursor', message: 'is not a cursor of this list' }] })
  }
  return activity
}
