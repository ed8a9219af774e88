/** Reads everything that a decision about one session needs, in one look; see `decide.ts`. */
import type { SessionId } from '@corral/protocol'
import { and, asc, eq, isNotNull, isNull, sql } from 'drizzle-orm'
import { ask } from '../../database/askTables.ts'
import { checkpoint } from '../../database/checkpointTable.ts'
import { execution, sandbox, session, sessionHead, workspace } from '../../database/schema.ts'
import type { Orm } from '../../database/transaction.ts'
import type { Links } from '../../supervisors/links.ts'
import { openWork } from '../executions/openWork.ts'
import { neighborsOf } from '../placement/neighbors.ts'
import { mayStartAgent } from './agentStarts.ts'
import { roomOn } from './collectionEffects.ts'
import type { AskFacts, ExecutionFacts, SessionFacts } from './decide.ts'

export type SessionLook = {
  now: Date
  wakeNo: number
  facts: SessionFacts
  session: typeof session.$inferSelect
  workspace: typeof workspace.$inferSelect
  sandbox: typeof sandbox.$inferSelect | null
}

export async function lookAtSession(
  deps: {
    orm: Orm
    links: Links
    watchingForMs(): number
    agentStartsAtOnce: number
    agentStartMs: number
    hasRoom(): Promise<boolean>
  },
  id: SessionId,
): Promise<SessionLook | null> {
  const { orm, links } = deps
  // Before the others: what comes after this look has a `wakeNo` that it does not know.
  const row = await rowsOf(orm, id)
  if (!row) return null
  const [open, tidied] = await Promise.all([openExecutions(orm, id), uncompacted(orm, id)])
  const running = open.find((candidate) => candidate.state === 'running')
  const next = open.find((candidate) => candidate.state === 'queued')
  const room = async () => (!next || (await deps.hasRoom()) ? 'enough' : roomOn(orm))
  const link = row.sandbox ? links.of(row.sandbox.id) : null
  const waits = row.session.state !== 'prepared'
  /** Not looked at for a turn that needs no start: every message waits for this look. */
  const mayStart = async () =>
    running === undefined &&
    ((waits && row.workspace.agentUntil !== null) || (await mayStartAgent(orm, { ...deps, waits })))
  return {
    now: row.now,
    wakeNo: row.session.wakeNo,
    session: row.session,
    workspace: row.workspace,
    sandbox: row.sandbox,
    facts: {
      session: row.session,
      executionLimitMs: row.session.configuration.timeoutMs ?? null,
      workspace: row.workspace,
      sandbox: row.sandbox && { ...row.sandbox, neighbors: await neighborsOf(orm, row.session) },
      link:
        link && link.bootId === row.sandbox?.bootId
          ? { id: link.id, sinceMs: performance.now() - link.connectedAt, serves: link.serves(id) }
          : null,
      running: running
        ? {
            ...executionFacts(running),
            lastProgressAt: row.head.lastProgressAt,
            toolRunning: await toolRuns(orm, id, running.id),
            asks: await pendingAsks(orm, id),
          }
        : null,
      ending: open.filter((candidate) => candidate.endedAt !== null).map(executionFacts),
      next: next ? executionFacts(next) : null,
      mayStartAgent: await mayStart(),
      untouchedSince: row.workspace.state === 'absent' && row.kept === null ? null : row.session.updatedAt,
      room: await room(),
      waitsForRoomSince: next?.waitsForRoomSince ?? null,
      uncompacted: tidied,
      watchingForMs: deps.watchingForMs(),
    },
  }
}

async function rowsOf(orm: Orm, id: SessionId) {
  const [row] = await orm
    .select({
      session,
      workspace,
      sandbox,
      head: sessionHead,
      kept: checkpoint.madeAt,
      now: sql<Date>`clock_timestamp()`.mapWith(session.createdAt),
    })
    .from(session)
    .innerJoin(workspace, eq(workspace.sessionId, session.id))
    .innerJoin(sessionHead, eq(sessionHead.sessionId, session.id))
    .leftJoin(sandbox, eq(sandbox.id, session.sandboxId))
    .leftJoin(checkpoint, eq(checkpoint.sessionId, session.id))
    .where(eq(session.id, id))
  return row
}

/** Index execution_open: only what is not over, in FIFO order. */
function openExecutions(orm: Orm, id: SessionId) {
  return orm
    .select()
    .from(execution)
    .where(and(eq(execution.sessionId, id), openWork))
    .orderBy(execution.queuedSeq)
}

const executionFacts = (row: typeof execution.$inferSelect): ExecutionFacts => ({
  id: row.id,
  attempt: row.attempt,
  sentLink: row.sentLink,
  deliveredAt: row.deliveredAt,
  startedAt: row.startedAt,
  endedAt: row.endedAt,
  stoppedAt: row.stoppedAt,
  finalization: row.finalization,
})

/** Index ask_pending. An ask is open, or its answer under way, only while its execution runs. */
function pendingAsks(orm: Orm, id: SessionId): Promise<AskFacts[]> {
  return orm
    .select({
      id: ask.id,
      state: ask.state,
      askedAt: ask.askedAt,
      deadlineMs: ask.deadlineMs,
      sentLink: ask.sentLink,
      sentAt: ask.sentAt,
    })
    .from(ask)
    .where(and(eq(ask.sessionId, id), isNull(ask.settledAt)))
    .orderBy(ask.askedAt)
}

/** Index execution_compaction. */
async function uncompacted(orm: Orm, id: SessionId): Promise<SessionFacts['uncompacted']> {
  const [row] = await orm
    .select({ id: execution.id, stoppedAt: execution.stoppedAt })
    .from(execution)
    .where(
      and(
        eq(execution.sessionId, id),
        isNull(execution.compactedAt),
        isNotNull(execution.stoppedAt),
        isNotNull(execution.deliveredAt),
      ),
    )
    .orderBy(asc(execution.stoppedAt))
    .limit(1)
  return row?.stoppedAt ? { id: row.id, stoppedAt: row.stoppedAt } : null
}

/** A running tool stops the clock of progress: it may be silent for long. */
async function toolRuns(orm: Orm, id: SessionId, executionId: string): Promise<boolean> {
  const { rows } = await orm.execute(sql`
    select 1 from part p
    join message m on m.session_id = p.session_id and m.id = p.message_id
    where p.session_id = ${id.slice('agent_'.length)} and m.execution_id = ${executionId}
      and p.type = 'tool' and p.data::jsonb #>> '{state,status}' = 'running'
    limit 1`)
  return rows.length > 0
}
