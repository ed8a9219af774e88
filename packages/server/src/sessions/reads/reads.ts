/**
 * What is read of sessions: views of rows and log, each behind the same look at who may. Reading wakes nothing and
 * shows no value of a variable, no token and no setup command. Source: 30-cloud-agent-api §6, §13.
 */
import {
  type AgentSessionId,
  CorralError,
  type ExecutionId,
  type ExecutionList,
  type GetUsageReportInput,
  type ListSessionsInput,
  type MessageResult,
  type NetworkLog,
  type SessionCosts,
  type SessionDiff,
  type SessionId,
  type SessionList,
  type SessionView,
  type Timing,
  type TranscriptPage,
  type Usage,
  type UsageReport,
} from '@corral/protocol'
import { timing } from '@corral/transcript'
import { and, desc, eq, lt } from 'drizzle-orm'
import type { Timers } from '../../config.ts'
import { session, sessionHead, workspace } from '../../database/schema.ts'
import type { Database } from '../../database/transaction.ts'
import type { Caller, Membership } from '../../identity/caller.ts'
import type { Links } from '../../supervisors/links.ts'
import { findOwned, ownedBy } from '../access.ts'
import { type RepositoryPolicy, repositoryIdentity } from '../configuration/repository.ts'
import { readExecutions } from '../executions/executionList.ts'
import { findExecution, newestExecution, progressOf, resultOf, timingEvents } from '../executions/executionReads.ts'
import { usageOf } from '../executions/usage.ts'
import { readTranscriptPage, type WhichPage } from '../transcript/transcriptPage.ts'
import { connectedState } from './connectedState.ts'
import { type NetworkLogPage, readNetworkLog } from './networkLog.ts'
import { createSessionViews } from './sessionViews.ts'
import { readSessionCosts, readUsageReport } from './usageReport.ts'

type SessionRow = typeof session.$inferSelect

/** How often a waiting read looks again. */
const resultPollMs = 250

export function createReads(deps: {
  database: Database
  links: Links
  membership: Membership
  repositories: RepositoryPolicy
  /** Without the session's secrets. */
  redactText(id: SessionId, text: string): Promise<string>
  timers: Timers
}) {
  const { orm } = deps.database
  const { links, timers } = deps
  const viewsOf = createSessionViews({ orm, links, timers })

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
      let row = await findExecution(orm, id, executionId)
      while (row.endedAt === null && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, Math.min(resultPollMs, deadline - performance.now())))
        row = await findExecution(orm, id, executionId)
      }
      // Access may have ended while we waited.
      if (waitMs > 0) await findOwned(orm, caller, { sessionId: id })
      return resultOf(orm, owner, row)
    },

    async transcript(caller: Caller, id: SessionId, page: WhichPage): Promise<TranscriptPage> {
      return readTranscriptPage(orm, await findOwned(orm, caller, { sessionId: id }), page)
    },

    progress: (id: SessionId, executionId: ExecutionId) => progressOf(orm, id, executionId),

    async diff(caller: Caller, id: SessionId): Promise<SessionDiff> {
      const owner = await findOwned(orm, caller, { sessionId: id })
      const [space] = await orm.select().from(workspace).where(eq(workspace.sessionId, id))
      const live = await liveDiff(owner)
      const known = live ?? space?.diff ?? { base: space?.baseCommit ?? '', files: [], patch: '', truncated: false }
      return {
        ...known,
        patch: await deps.redactText(id, known.patch),
        cloudAgentSessionId: id,
        branch: space?.branch ?? null,
      }
    },

    async usage(caller: Caller, id: SessionId, executionId?: ExecutionId): Promise<Usage> {
      const owner = await findOwned(orm, caller, { sessionId: id })
      if (executionId) await findExecution(orm, id, executionId)
      return usageOf(orm, owner, executionId ?? null)
    },

    async executions(
      caller: Caller,
      id: SessionId,
      page: { limit: number; cursor?: string | undefined },
    ): Promise<ExecutionList> {
      await findOwned(orm, caller, { sessionId: id })
      return readExecutions(orm, id, page)
    },

    usageReport: (caller: Caller, input: GetUsageReportInput): Promise<Omit<UsageReport, 'budgets'>> =>
      readUsageReport(orm, caller, input),
    costs: (caller: Caller, ids: readonly SessionId[]): Promise<SessionCosts> => readSessionCosts(orm, caller, ids),

    async timing(caller: Caller, id: SessionId, executionId?: ExecutionId): Promise<Timing> {
      await findOwned(orm, caller, { sessionId: id })
      const of = executionId ? await findExecution(orm, id, executionId) : await newestExecution(orm, id)
      const view = timing(await timingEvents(orm, id, of), of?.id ?? null, Date.now())
      return { cloudAgentSessionId: id, executionId: of?.id ?? null, ...view }
    },

    async networkLog(caller: Caller, id: SessionId, page: NetworkLogPage): Promise<NetworkLog> {
      await findOwned(orm, caller, { sessionId: id })
      return readNetworkLog(orm, id, page)
    },

    async access(caller: Caller, id: SessionId) {
      const row = await findOwned(orm, caller, { sessionId: id })
      const [head] = await orm.select().from(sessionHead).where(eq(sessionHead.sessionId, id))
      return {
        id,
        agentSessionId: row.agentSessionId,
        organizationId: row.organizationId,
        sandboxId: row.sandboxId,
        lastSeq: head?.lastSeq ?? 0,
        logId: row.logId,
      }
    },

    connected: (id: SessionId) => connectedState(orm, id),
  }

  /** As it is now, while the supervisor is there; else as of the end of the last turn. */
  async function liveDiff(owner: SessionRow) {
    const link = owner.sandboxId ? links.of(owner.sandboxId) : null
    if (!link) return null
    return link.call('session.diff', { session: owner.id }, timers.commandMs).catch(() => null)
  }
}

function cursorActivity(cursor: string): number {
  const activity = Number(Buffer.from(cursor, 'base64url').toString())
  if (!Number.isSafeInteger(activity)) {
    throw new CorralError('invalid_input', { details: [{ path: 'cursor', message: 'is not a cursor of this list' }] })
  }
  return activity
}
