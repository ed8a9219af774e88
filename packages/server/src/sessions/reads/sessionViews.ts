/**
 * Sessions as `getSession` and `listSessions` show them: counts instead of values, no token, no setup command. One query
 * per table, however many sessions there are. Source: 30-cloud-agent-api §13.
 */
import type { SessionId, SessionView } from '@corral/protocol'
import { and, count, eq, inArray } from 'drizzle-orm'
import type { Timers } from '../../config.ts'
import { execution, sandbox, session, sessionHead, workspace } from '../../database/schema.ts'
import type { Orm } from '../../database/transaction.ts'
import type { Links } from '../../supervisors/links.ts'
import { placesOf } from '../placement/places.ts'
import { warmingUntil } from '../reconciler/warmth.ts'

type SessionRow = typeof session.$inferSelect
type ExecutionRow = typeof execution.$inferSelect

export function createSessionViews(deps: { orm: Orm; links: Links; timers: Timers }) {
  const { orm, links, timers } = deps

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
        envVarCount: configuration.counts.envVars,
        secretCount: configuration.counts.secrets,
        setupCommandCount: configuration.counts.setupCommands,
        mcpServerCount: configuration.counts.mcpServers,
        hasCallback: configuration.hasCallback,
        createdOnPlatform: configuration.createdOnPlatform,
        title: row.title,
        execution: executionView(of(running), box?.id),
        queuedCount: of(queued)?.count ?? 0,
        sandboxStatus: box?.state ?? 'stopped',
        agentStatus: agentStatus(space, of(running), box),
        workspace: workspaceView(space),
        ...(row.preparedAt ? { preparedAt: row.preparedAt.getTime() } : {}),
        ...(row.initiatedAt ? { initiatedAt: row.initiatedAt.getTime() } : {}),
        latestEventId: head?.lastSeq ?? 0,
        timestamp: row.updatedAt.getTime(),
        version: row.configVersion,
      }
    })
  }

  function agentStatus(
    space: typeof workspace.$inferSelect | undefined,
    runs: ExecutionRow | undefined,
    box: typeof sandbox.$inferSelect | undefined,
  ) {
    if (runs) return runs.startedAt ? 'working' : 'starting'
    if (!space || box?.state !== 'ready') return 'stopped'
    if (warmingUntil(space, new Date(), timers)) return 'starting'
    return space.agentUntil ? 'idle' : 'stopped'
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

  return viewsOf
}

export function workspaceView(space: typeof workspace.$inferSelect | undefined) {
  if (!space) return { state: 'absent' }
  return {
    state: space.state,
    ...(space.step ? { step: space.step } : {}),
    ...(space.reason ? { reason: space.reason } : {}),
    ...(space.message ? { message: space.message } : {}),
  }
}
