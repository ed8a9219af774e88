/**
 * The rows of asks, as agents open and close them. Invariants: an ask is opened once and closed once, each told by one
 * event in the transaction of the row's change; it is open only while its execution runs; whoever calls holds the lock
 * of the session's head. Answers of people are `answers.ts`'s. Source: 10-engine "Rows and states", 32 "Permissions".
 */
import {
  type AskAnswer,
  type ExecutionId,
  kilocodeDataSchema,
  type linkOnlySchemas,
  type PermissionRequest,
  permissionRequestSchema,
  type QuestionRequest,
  type SessionId,
  vocabulary,
} from '@corral/protocol'
import { and, count, eq, inArray, isNull, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { Timers } from '../../config.ts'
import { ask } from '../../database/askTables.ts'
import { execution, session } from '../../database/schema.ts'
import type { Orm, Tx } from '../../database/transaction.ts'
import type { AdmittedEvent, NewEvent } from '../../log/types.ts'
import { noteStatusChange } from '../executions/statusChange.ts'

export type AskRow = typeof ask.$inferSelect
/** Who closed it, on the event that tells so. */
export type ClosedBy = 'user' | 'deadline' | 'end' | 'agent'
type Admitted = { events: NewEvent[]; wakes: boolean }

/** More than any person answers; a sandbox may not fill what every viewer is told first. */
const mostOpen = 50
/** A request that is larger is kept without its metadata, such as the whole change to a file; the event has all of it. */
const mostCharacters = 256 * 1024

const ignored: Admitted = { events: [], wakes: false }

/** An event of the agent that opens or closes an ask. */
export async function noteAskEvent(
  tx: Tx,
  id: SessionId,
  incoming: AdmittedEvent,
  timers: Pick<Timers, 'askMs'>,
): Promise<Admitted> {
  const { type, properties } = kilocodeDataSchema.parse(incoming.data)
  switch (type) {
    case 'question.asked':
      return opened(tx, id, incoming, { kind: 'question', request: vocabulary[type].parse(properties) }, timers)
    case 'permission.asked':
      return opened(tx, id, incoming, { kind: 'permission', request: vocabulary[type].parse(properties) }, timers)
    case 'question.replied': {
      const { requestID, answers } = vocabulary[type].parse(properties)
      return closedByAgent(tx, id, requestID, { kind: 'answers', answers })
    }
    case 'question.rejected':
      return closedByAgent(tx, id, vocabulary[type].parse(properties).requestID, { kind: 'rejected' })
    case 'permission.replied': {
      const { requestID, reply } = vocabulary[type].parse(properties)
      return closedByAgent(tx, id, requestID, { kind: 'reply', reply })
    }
    default:
      throw new TypeError(`${type} neither opens nor closes an ask`)
  }
}

type Asked = { kind: 'question'; request: QuestionRequest } | { kind: 'permission'; request: PermissionRequest }

/** What is asked again is the same ask; what is asked after the end is nobody's. */
async function opened(
  tx: Tx,
  id: SessionId,
  incoming: AdmittedEvent,
  { kind, request }: Asked,
  timers: Pick<Timers, 'askMs'>,
): Promise<Admitted> {
  const { executionId } = incoming
  if (!executionId) return ignored
  const [running] = await tx.orm
    .select({ configuration: session.configuration })
    .from(execution)
    .innerJoin(session, eq(session.id, execution.sessionId))
    .where(and(eq(execution.id, executionId), eq(execution.sessionId, id), eq(execution.state, 'running')))
  if (!running || (await openIn(tx, id)) >= mostOpen) return ignored
  const deadline = running.configuration.permissions?.deadline_seconds
  const [added] = await tx.orm
    .insert(ask)
    .values({
      sessionId: id,
      id: request.id,
      kind,
      executionId,
      agentSessionId: request.sessionID,
      request: kept(request),
      deadlineMs: deadline === undefined ? timers.askMs : deadline * 1_000,
    })
    .onConflictDoNothing()
    .returning({ id: ask.id })
  if (!added) return ignored
  await noteStatusChange(tx, [id])
  const event: NewEvent = { type: 'kilocode', executionId, data: JSON.stringify(incoming.data) }
  return { events: [event], wakes: true }
}

function kept(request: Asked['request']): Asked['request'] {
  if (JSON.stringify(request).length <= mostCharacters) return request
  const { metadata: _, ...rest } = request
  return rest
}

/** Index ask_pending. */
async function openIn(tx: Tx, id: SessionId): Promise<number> {
  const [open] = await tx.orm
    .select({ count: count() })
    .from(ask)
    .where(and(eq(ask.sessionId, id), isNull(ask.settledAt)))
  return open?.count ?? 0
}

/** Either it confirms the answer that it was given, or it has found one without us. */
async function closedByAgent(tx: Tx, id: SessionId, askId: string, answer: AskAnswer): Promise<Admitted> {
  const [closed] = await close(tx, and(named(id, askId), eq(ask.state, 'open')), { state: 'answered', answer })
  if (closed) {
    await tx.orm.update(ask).set({ settledAt: sql`now()` }).where(named(id, askId))
    return { events: [closingEvent(closed, 'agent')], wakes: true }
  }
  return settled(tx, id, askId)
}

/** `ask_gone`: the agent has forgotten it, or has done with it. */
export async function noteAskGone(
  tx: Tx,
  id: SessionId,
  { askId }: z.infer<(typeof linkOnlySchemas)['ask_gone']>,
): Promise<Admitted> {
  const [closed] = await withdraw(tx, and(named(id, askId), eq(ask.state, 'open')))
  return closed ? { events: [closingEvent(closed, 'agent')], wakes: true } : settled(tx, id, askId)
}

async function settled(tx: Tx, id: SessionId, askId: string): Promise<Admitted> {
  const rows = await tx.orm
    .update(ask)
    .set({ settledAt: sql`now()` })
    .where(and(named(id, askId), inArray(ask.state, ['answered', 'expired']), isNull(ask.settledAt)))
    .returning({ id: ask.id })
  return { events: [], wakes: rows.length > 0 }
}

/** With the end of their execution nobody waits for an answer any more. */
export async function withdrawAsks(
  tx: Tx,
  { sessionId, executionId }: { sessionId: SessionId; executionId: ExecutionId },
): Promise<NewEvent[]> {
  const ofExecution = and(eq(ask.sessionId, sessionId), eq(ask.executionId, executionId), isNull(ask.settledAt))
  const withdrawn = await withdraw(tx, and(ofExecution, eq(ask.state, 'open')))
  await tx.orm.update(ask).set({ settledAt: sql`now()` }).where(ofExecution)
  return withdrawn.map((row) => closingEvent(row, 'end'))
}

const withdraw = async (tx: Tx, which: ReturnType<typeof and>): Promise<AskRow[]> =>
  noted(
    tx,
    await tx.orm
      .update(ask)
      .set({ state: 'withdrawn', closedAt: sql`now()`, settledAt: sql`now()` })
      .where(which)
      .returning(),
  )

async function noted(tx: Tx, closed: AskRow[]): Promise<AskRow[]> {
  await noteStatusChange(
    tx,
    closed.map(({ sessionId }) => sessionId),
  )
  return closed
}

/** Open to answered or expired; what is not open stays as it is. */
export async function close(
  tx: Tx,
  which: ReturnType<typeof and>,
  how: { state: 'answered' | 'expired'; answer: AskAnswer; answeredBy?: string },
): Promise<AskRow[]> {
  return noted(
    tx,
    await tx.orm
      .update(ask)
      .set({ ...how, closedAt: sql`now()` })
      .where(and(which, eq(ask.state, 'open')))
      .returning(),
  )
}

export const named = (id: SessionId, askId: string) => and(eq(ask.sessionId, id), eq(ask.id, askId))

/** In the agent's own vocabulary, so that every view of the log knows it; `by` says who closed it. */
export function closingEvent(row: AskRow, by: ClosedBy): NewEvent {
  return {
    type: 'kilocode',
    executionId: row.executionId,
    data: JSON.stringify(closing(row, { sessionID: row.agentSessionId, requestID: row.id, by })),
    key: `closed:${row.id}`,
  }
}

function closing({ kind, answer }: AskRow, properties: { sessionID: string; requestID: string; by: ClosedBy }) {
  if (kind === 'permission') {
    const reply = answer?.kind === 'reply' ? answer.reply : 'reject'
    return { type: 'permission.replied', properties: { ...properties, reply } }
  }
  return answer?.kind === 'answers'
    ? { type: 'question.replied', properties: { ...properties, answers: answer.answers } }
    : { type: 'question.rejected', properties }
}

/** What people have allowed for good in this session: the agent forgets it with its process. */
export async function alwaysAllowed(orm: Orm, id: SessionId): Promise<{ tool: string; pattern: string }[]> {
  const rows = await orm
    .select({ request: ask.request })
    .from(ask)
    .where(and(eq(ask.sessionId, id), eq(ask.kind, 'permission'), sql`${ask.answer} ->> 'reply' = 'always'`))
    .orderBy(ask.askedAt)
  return rows.flatMap(({ request }) => {
    const { permission, always = [] } = permissionRequestSchema.parse(request)
    return always.map((pattern) => ({ tool: permission, pattern }))
  })
}
