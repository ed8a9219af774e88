/**
 * How sessions take part in the log: what a supervisor says about the life of workspaces and executions becomes rows
 * and events here, inside the append's own transaction. Invariants: an outcome counts only for the current attempt of
 * a running execution; what comes after the end changes no state; only lifecycle events wake a session.
 */
import {
  type ExecutionId,
  type FailureReason,
  isSuggestionEvent,
  kilocodeDataSchema,
  linkOnlySchemas,
  type SessionId,
  statusDataSchema,
} from '@corral/protocol'
import { and, eq, gte, isNull, or, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { OweCallbacks } from '../../callbacks/owe.ts'
import type { Timers } from '../../config.ts'
import { sessionIdOf, sessionUuid } from '../../database/columns.ts'
import { modelCall } from '../../database/gatewayTables.ts'
import { execution, sandbox, session, workspace } from '../../database/schema.ts'
import { together } from '../../database/together.ts'
import type { Tx } from '../../database/transaction.ts'
import { wakeSessions } from '../../database/wake.ts'
import type { AdmittedEvent, LogSink, NewEvent, StoredEvent } from '../../log/types.ts'
import { noteAskEvent, noteAskGone } from '../asks/asks.ts'
import { noteSuggestion } from '../suggestions/shown.ts'
import { applyTranscript, isDelta } from '../transcript/applyTranscript.ts'
import { settle } from './settle.ts'

type Outcome = z.infer<(typeof linkOnlySchemas)['outcome']>
type Prepared = z.infer<(typeof linkOnlySchemas)['prepared']>

/** An execution that the agent had not begun is run again this often by itself. */
const resubmissions = 1
const preparationSteps = new Set(['clone', 'branch', 'restore', 'setup'])

export function createSink(options: {
  timers: Pick<Timers, 'agentIdleMs' | 'askMs'>
  callbacks: OweCallbacks
  wake(): void
}): LogSink {
  const { timers, callbacks } = options

  async function admitOne(
    tx: Tx,
    id: SessionId,
    incoming: AdmittedEvent,
  ): Promise<{ events: NewEvent[]; wakes: boolean }> {
    switch (incoming.type) {
      case 'accepted':
        return { events: [], wakes: false }
      case 'started':
        return started(tx, id, linkOnlySchemas.started.parse(incoming.data))
      case 'outcome':
        return outcome(tx, id, linkOnlySchemas.outcome.parse(incoming.data))
      case 'stopped':
        return stopped(tx, id, linkOnlySchemas.stopped.parse(incoming.data))
      case 'warmed':
        return warmed(tx, id, linkOnlySchemas.warmed.parse(incoming.data))
      case 'prepared':
        return prepared(tx, id, linkOnlySchemas.prepared.parse(incoming.data))
      case 'finalized':
        return finalized(tx, id, linkOnlySchemas.finalized.parse(incoming.data), callbacks)
      case 'kilocode':
        return isSuggestion(incoming) ? noteSuggestion(tx, id, incoming) : noteAskEvent(tx, id, incoming, timers)
      case 'commands':
        return commandsTold(tx, id, linkOnlySchemas.commands.parse(incoming.data))
      case 'ask_gone':
        return noteAskGone(tx, id, linkOnlySchemas.ask_gone.parse(incoming.data))
      case 'status':
        await noteStep(tx, id, incoming.data)
        return { events: [plain(incoming)], wakes: false }
      default:
        return { events: [plain(incoming)], wakes: false }
    }
  }

  async function outcome(tx: Tx, id: SessionId, data: Outcome) {
    const [row] = await tx.orm
      .select()
      .from(execution)
      .where(and(eq(execution.id, data.executionId), eq(execution.sessionId, id)))
    if (row?.state !== 'running' || row.attempt !== data.attempt) return ignored

    if (data.workspace) {
      await tx.orm
        .update(workspace)
        .set({ branch: data.workspace.branch, headCommit: data.workspace.head, diff: data.workspace.diff })
        .where(eq(workspace.sessionId, id))
    }
    if (data.result === 'failed' && data.reason === 'agent_restarted' && row.attempt <= resubmissions) {
      if (!data.begun && !(await modelWasCalled(tx, row))) {
        await tx.orm
          .update(execution)
          .set({ attempt: row.attempt + 1, sentLink: null })
          .where(eq(execution.id, row.id))
        return { events: [], wakes: true }
      }
    }
    if (data.begun) await tx.orm.update(execution).set({ begun: true }).where(eq(execution.id, row.id))
    const ending = await settle(
      tx,
      { sessionId: id, executionId: row.id },
      data.result === 'completed'
        ? { state: 'completed' }
        : { state: 'failed', reason: data.reason ?? 'agent_error', message: data.message },
      { stopped: true },
    )
    await tx.orm
      .update(workspace)
      .set({ agentUntil: untilIdle(data) })
      .where(eq(workspace.sessionId, id))
    return { events: ending, wakes: true }
  }

  async function stopped(tx: Tx, id: SessionId, data: z.infer<(typeof linkOnlySchemas)['stopped']>) {
    const marked = await tx.orm
      .update(execution)
      .set({ stoppedAt: sql`now()`, sentLink: null })
      .where(
        and(
          eq(execution.id, data.executionId),
          eq(execution.sessionId, id),
          eq(execution.attempt, data.attempt),
          isNull(execution.stoppedAt),
          sql`${execution.endedAt} is not null`,
        ),
      )
      .returning({ id: execution.id })
    if (marked.length > 0) {
      await tx.orm
        .update(workspace)
        .set({ agentUntil: untilIdle(data) })
        .where(eq(workspace.sessionId, id))
    }
    return { events: [], wakes: true }
  }

  async function warmed(tx: Tx, id: SessionId, data: z.infer<(typeof linkOnlySchemas)['warmed']>) {
    await tx.orm
      .update(workspace)
      .set({ warmUp: 'over', agentUntil: untilIdle(data) })
      .where(and(eq(workspace.sessionId, id), eq(workspace.warmUp, 'running')))
    return { events: [], wakes: true }
  }

  /** When the agent, which has nothing to do now, is to be stopped. */
  const untilIdle = ({ agentRuns }: { agentRuns: boolean }) =>
    agentRuns ? sql`now() + ${timers.agentIdleMs} * interval '1 ms'` : null

  return {
    async admit(tx, { id }, events) {
      const stored: NewEvent[] = []
      let wakes = false
      for (const incoming of events) {
        const admitted = await admitOne(tx, id, incoming)
        stored.push(...admitted.events)
        wakes ||= admitted.wakes
      }
      if (wakes) {
        await wakeSessions(tx, [id])
        tx.afterCommit(options.wake)
      }
      return stored
    },
    async apply(tx, events) {
      await together([
        applyTranscript(tx, events),
        noteLateDeltas(tx, events),
        callbacks.ended(
          tx,
          events.flatMap(({ ends, executionId }) => (ends && executionId ? [executionId] : [])),
        ),
      ])
    },
  }
}

const isSuggestion = ({ data }: AdmittedEvent): boolean => isSuggestionEvent(kilocodeDataSchema.parse(data).type)

const ignored = { events: [] as NewEvent[], wakes: false }

const plain = (incoming: AdmittedEvent): NewEvent => ({
  // The log has checked the type against those that a supervisor may send; the rest is handled above.
  type: incoming.type as NewEvent['type'],
  executionId: incoming.executionId,
  data: JSON.stringify(incoming.data),
})

async function started(tx: Tx, id: SessionId, data: z.infer<(typeof linkOnlySchemas)['started']>) {
  const marked = await tx.orm
    .update(execution)
    .set({ startedAt: sql`coalesce(${execution.startedAt}, now())` })
    .where(
      and(
        eq(execution.id, data.executionId),
        eq(execution.sessionId, id),
        eq(execution.state, 'running'),
        eq(execution.attempt, data.attempt),
      ),
    )
    .returning({ id: execution.id })
  if (marked.length === 0) return ignored
  const event: NewEvent = {
    type: 'started',
    executionId: data.executionId,
    data: JSON.stringify({ executionId: data.executionId }),
    key: `started:${data.executionId}:${data.attempt}`,
  }
  return { events: [event], wakes: false }
}

async function commandsTold(tx: Tx, id: SessionId, { commands }: z.infer<(typeof linkOnlySchemas)['commands']>) {
  await tx.orm.update(workspace).set({ commands }).where(eq(workspace.sessionId, id))
  return ignored
}

async function finalized(
  tx: Tx,
  id: SessionId,
  data: z.infer<(typeof linkOnlySchemas)['finalized']>,
  callbacks: Pick<OweCallbacks, 'finalized'>,
) {
  await tx.orm
    .update(execution)
    .set({ finalization: 'done' })
    .where(and(eq(execution.id, data.executionId), eq(execution.sessionId, id), eq(execution.finalization, 'pending')))
  await callbacks.finalized(tx, data.executionId)
  return { events: [], wakes: true }
}

async function prepared(tx: Tx, id: SessionId, data: Prepared) {
  const current = and(
    eq(workspace.sessionId, id),
    eq(workspace.state, 'preparing'),
    eq(workspace.attempt, data.attempt),
  )
  if (data.ok) {
    const [owner] = await tx.orm
      .select({ bootId: sandbox.bootId })
      .from(session)
      .innerJoin(sandbox, eq(sandbox.id, session.sandboxId))
      .where(eq(session.id, id))
    const made = await tx.orm
      .update(workspace)
      .set({
        state: 'ready',
        readyBoot: owner?.bootId ?? null,
        step: null,
        reason: null,
        message: null,
        branch: data.branch,
        baseCommit: sql`coalesce(${workspace.baseCommit}, ${data.baseCommit})`,
      })
      .where(current)
      .returning({ id: workspace.sessionId })
    if (made.length > 0) {
      await tx.orm
        .update(session)
        .set({ gitBranch: data.branch })
        .where(and(eq(session.id, id), sql`${session.gitBranch} is distinct from ${data.branch}`))
    }
    return { events: [], wakes: true }
  }
  const failed = await tx.orm
    .update(workspace)
    .set({ state: 'failed', reason: data.reason, message: data.message })
    .where(current)
    .returning({ id: workspace.sessionId })
  if (failed.length === 0) return ignored
  return { events: await failHead(tx, id, { reason: data.reason, message: data.message }), wakes: true }
}

/** The head of the queue fails with the preparation that it waited for; the next one tries again. */
export async function failHead(
  tx: Tx,
  id: SessionId,
  failure: { reason: FailureReason; message: string; details?: unknown },
): Promise<NewEvent[]> {
  const [head] = await tx.orm
    .select({ id: execution.id })
    .from(execution)
    .where(and(eq(execution.sessionId, id), eq(execution.state, 'queued')))
    .orderBy(execution.queuedSeq)
    .limit(1)
  if (!head) return []
  return settle(tx, { sessionId: id, executionId: head.id }, { state: 'failed', ...failure }, { stopped: true })
}

/** Deltas that come after an execution was compacted (a spool that was away) are compacted, too. */
async function noteLateDeltas(tx: Tx, events: StoredEvent[]): Promise<void> {
  const named = new Map<string, { session: string; execution: ExecutionId }>()
  for (const { sessionId, executionId } of events.filter(isDelta)) {
    // By its session, too: a sandbox may name the execution of another one's session.
    if (executionId)
      named.set(`${sessionId} ${executionId}`, { session: sessionUuid(sessionId), execution: executionId })
  }
  if (named.size === 0) return
  const pairs = [...named.values()]
  // By execution_pkey. Prepared, since every commit of deltas asks.
  const { rows } = await tx.client.query<{ session_id: string }>({
    name: 'note_late_deltas',
    text: `
      update execution e set compacted_at = null, stopped_at = now()
      from unnest($1::uuid[], $2::text[]) n (session_id, id)
      where e.id = n.id and e.session_id = n.session_id and e.compacted_at is not null
      returning e.session_id`,
    values: [pairs.map(({ session }) => session), pairs.map(({ execution }) => execution)],
  })
  await wakeSessions(
    tx,
    rows.map((row) => sessionIdOf(row.session_id)),
  )
}

/**
 * Title and warm-up calls never run under an execution, so any call says that the agent has begun. One of which the
 * gateway could not tell whose it was, since the database was away, is taken for this execution's.
 */
async function modelWasCalled(tx: Tx, row: typeof execution.$inferSelect): Promise<boolean> {
  const nobodys = row.deliveredAt
    ? and(
        eq(modelCall.sessionId, row.sessionId),
        isNull(modelCall.executionId),
        gte(modelCall.startedAt, row.deliveredAt),
      )
    : undefined
  const calls = await tx.orm
    .select({ id: modelCall.id })
    .from(modelCall)
    .where(or(eq(modelCall.executionId, row.id), nobodys))
    .limit(1)
  return calls.length > 0
}

async function noteStep(tx: Tx, id: SessionId, data: unknown): Promise<void> {
  const status = statusDataSchema.safeParse(data)
  if (!status.success || !status.data.step || !preparationSteps.has(status.data.step)) return
  if (status.data.state !== 'running') return
  await tx.orm
    .update(workspace)
    .set({ step: status.data.step })
    .where(and(eq(workspace.sessionId, id), eq(workspace.state, 'preparing')))
}
