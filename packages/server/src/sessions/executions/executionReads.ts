/** One execution as its readers see it: its result, and the events from which its timing is made. */
import {
  CorralError,
  type ExecutionFailure,
  type ExecutionId,
  type FinalizationData,
  failures,
  finalizationDataSchema,
  type MessageResult,
  type SessionId,
} from '@corral/protocol'
import { assistantText, type LogEvent } from '@corral/transcript'
import { and, asc, count, desc, eq, inArray, isNotNull, lt, max, ne, sql } from 'drizzle-orm'
import type { ExecutionReport } from '../../callbacks/body.ts'
import { callbackOf } from '../../callbacks/lookAfter.ts'
import { event, execution, session, workspace } from '../../database/schema.ts'
import type { Orm } from '../../database/transaction.ts'
import type { ExecutionProgress } from '../sessions.ts'
import { readTranscript } from '../transcript/readTranscript.ts'

type SessionRow = typeof session.$inferSelect
type ExecutionRow = typeof execution.$inferSelect

export async function findExecution(orm: Orm, sessionId: SessionId, executionId: ExecutionId): Promise<ExecutionRow> {
  const [row] = await orm
    .select()
    .from(execution)
    .where(and(eq(execution.id, executionId), eq(execution.sessionId, sessionId)))
  if (!row) throw new CorralError('execution_not_found')
  return row
}

export async function progressOf(
  orm: Orm,
  sessionId: SessionId,
  executionId: ExecutionId,
): Promise<ExecutionProgress | null> {
  const [found] = await orm
    .select({
      row: execution,
      // By execution_order.
      isFirst: sql<boolean>`not exists (select 1 from execution before
        where before.session_id = ${execution.sessionId} and before.queued_seq < ${execution.queuedSeq})`,
    })
    .from(execution)
    .innerJoin(session, eq(session.id, execution.sessionId))
    .where(and(eq(execution.id, executionId), eq(execution.sessionId, sessionId), ne(session.state, 'deleted')))
  if (!found) return null
  const { row, isFirst } = found
  const ended = row.endedAt !== null
  return {
    queuedSeq: row.queuedSeq,
    isFirst,
    ended,
    over: ended && row.finalization !== 'pending',
    failure: failureOf(row),
    interrupted: row.state === 'interrupted',
  }
}

export function failureOf(row: ExecutionRow): ExecutionFailure | null {
  if (row.state !== 'failed' || !row.reason) return null
  const { sentence, retryable, httpStatus } = failures[row.reason]
  return { reason: row.reason, message: row.failureMessage ?? sentence, retryable, httpStatus }
}

export async function resultOf(orm: Orm, owner: SessionRow, row: ExecutionRow): Promise<MessageResult> {
  const transcript = await readTranscript(orm, owner.id, row.id)
  const assistant = assistantText(transcript, { executionId: row.id, agentSessionId: owner.agentSessionId })
  const [ahead] = await orm
    .select({ count: count() })
    .from(execution)
    .where(
      and(eq(execution.sessionId, owner.id), eq(execution.state, 'queued'), lt(execution.queuedSeq, row.queuedSeq)),
    )
  const finalization = await finalizationOf(orm, row)
  const callback = await callbackOf(orm, row.id)
  const failure = failureOf(row)
  return {
    cloudAgentSessionId: owner.id,
    kiloSessionId: owner.agentSessionId,
    executionId: row.id,
    status: row.state,
    ...(row.state === 'queued' ? { queuePosition: (ahead?.count ?? 0) + 1 } : {}),
    createdAt: row.createdAt.getTime(),
    ...(row.startedAt ? { startedAt: row.startedAt.getTime() } : {}),
    ...(row.endedAt ? { endedAt: row.endedAt.getTime() } : {}),
    ...(failure ? { failure } : {}),
    ...(assistant ? { assistant } : {}),
    ...(finalization.length > 0 ? { finalization } : {}),
    ...(callback ? { callback } : {}),
  }
}

/** How it has ended, for its callback. Null when it is not there any more. */
export async function reportOf(orm: Orm, executionId: ExecutionId): Promise<ExecutionReport | null> {
  const [found] = await orm
    .select({ row: execution, agentSessionId: session.agentSessionId, branch: workspace.branch })
    .from(execution)
    .innerJoin(session, eq(session.id, execution.sessionId))
    .leftJoin(workspace, eq(workspace.sessionId, execution.sessionId))
    .where(eq(execution.id, executionId))
  if (!found) return null
  const { row, agentSessionId, branch } = found
  const { state: status, sessionId, reason, endedAt } = row
  if (status === 'queued' || status === 'running' || !endedAt) {
    throw new Error(`execution ${executionId} is ${status}; there is nothing to report yet`)
  }
  const transcript = await readTranscript(orm, sessionId, executionId)
  return {
    ...{ sessionId, agentSessionId, executionId, status, branch, endedAt },
    failure: reason
      ? {
          reason,
          message: row.failureMessage ?? failures[reason].sentence,
          retryable: failures[reason].retryable,
        }
      : null,
    assistantText: assistantText(transcript, { executionId, agentSessionId })?.text ?? null,
    finalization: await finalizationOf(orm, row),
  }
}

async function finalizationOf(orm: Orm, row: ExecutionRow): Promise<FinalizationData[]> {
  const rows = await orm
    .select({ data: event.data })
    .from(event)
    .where(and(eq(event.sessionId, row.sessionId), eq(event.executionId, row.id), eq(event.type, 'finalization')))
    .orderBy(asc(event.seq))
  return rows.map(({ data }) => finalizationDataSchema.parse(JSON.parse(data)))
}

export async function newestExecution(orm: Orm, id: SessionId): Promise<ExecutionRow | undefined> {
  const [row] = await orm
    .select()
    .from(execution)
    .where(eq(execution.sessionId, id))
    .orderBy(desc(execution.queuedSeq))
    .limit(1)
  return row
}

/** The events of one execution's start: its own, and what was prepared for it since the end of the one before. */
export async function timingEvents(orm: Orm, id: SessionId, of: ExecutionRow | undefined): Promise<LogEvent[]> {
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
