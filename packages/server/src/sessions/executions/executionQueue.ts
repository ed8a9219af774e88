/**
 * The queue of a session: FIFO, ten at most. An execution and its `queued` event come into being in one transaction,
 * under the lock of the session's head, which makes admissions of one session follow each other.
 */
import {
  type Ack,
  CorralError,
  type ExecutionId,
  limits,
  newExecutionId,
  newMessageId,
  newPartId,
  type SessionId,
} from '@corral/protocol'
import { and, count, eq, sql } from 'drizzle-orm'
import type { CallbackTargets } from '../../callbacks/target.ts'
import { type ExecutionRequest, execution, sandbox, session } from '../../database/schema.ts'
import type { Tx } from '../../database/transaction.ts'
import type { Log } from '../../log/log.ts'
import type { SealedConfigurations } from '../configuration/sealedConfiguration.ts'
import { withdrawSuggestions } from '../suggestions/shown.ts'

type SessionRow = typeof session.$inferSelect
type ExecutionRow = typeof execution.$inferSelect

export type ExecutionQueue = ReturnType<typeof createExecutionQueue>

/** The ids of the user's message are minted unless the caller has named them. */
export type Queueable = {
  prompt: string
  request: ExecutionRequest
  clientId: string | null
  clientHash: string | null
  messageId?: string | undefined
  partId?: string | undefined
}

export function createExecutionQueue(deps: {
  log: Pick<Log, 'appendIn'>
  sealed: Pick<SealedConfigurations, 'open'>
  callbackTargets: Pick<CallbackTargets, 'seal'>
  /** The reconciler has something to do. */
  wake(): void
}) {
  const { log } = deps

  /** Puts an execution at the end. The caller holds the session's head and has looked at who may. */
  async function add(
    tx: Tx,
    row: SessionRow,
    { messageId = newMessageId(), partId = newPartId(), ...what }: Queueable,
  ): Promise<ExecutionRow> {
    const [waiting] = await tx.orm
      .select({ count: count() })
      .from(execution)
      .where(and(eq(execution.sessionId, row.id), eq(execution.state, 'queued')))
    if ((waiting?.count ?? 0) >= limits.queuedExecutions) throw new CorralError('queue_full')

    const id = newExecutionId()
    const ids = { messageId, partId }
    const [queuedSeq] = await log.appendIn(tx, row.id, [
      {
        type: 'queued',
        executionId: id,
        data: JSON.stringify({
          executionId: id,
          ...ids,
          agentSessionId: row.agentSessionId,
          text: what.prompt,
          ...wordsOf(what.request),
        }),
        key: `queued:${id}`,
      },
      ...(await withdrawSuggestions(tx, row.id)),
    ])
    if (queuedSeq === undefined) throw new Error(`the queued event of ${id} was not stored`)
    // A sandbox that could not be started for earlier work gets its tries again.
    if (row.sandboxId) {
      await tx.orm
        .update(sandbox)
        .set({ attempt: 0 })
        .where(and(eq(sandbox.id, row.sandboxId), eq(sandbox.state, 'stopped')))
    }
    const [made] = await tx.orm
      .insert(execution)
      .values({ id, sessionId: row.id, queuedSeq, callbackTarget: await targetFor(tx, row, id), ...ids, ...what })
      .returning()
    if (!made) throw new Error(`execution ${id} was not stored`)
    return made
  }

  /** As the session's configuration is now: a later change counts for later executions. */
  async function targetFor(tx: Tx, row: SessionRow, id: ExecutionId): Promise<Buffer | null> {
    if (!row.configuration.hasCallback) return null
    const { callbackTarget } = await deps.sealed.open(tx.orm, row.id)
    return callbackTarget ? deps.callbackTargets.seal(id, callbackTarget) : null
  }

  async function addFirst(tx: Tx, row: SessionRow): Promise<ExecutionRow> {
    const { configuration } = row
    return add(tx, row, {
      prompt: configuration.prompt,
      request: {
        mode: configuration.mode,
        model: configuration.model,
        variant: configuration.variant,
        appendSystemPrompt: configuration.appendSystemPrompt,
        autoCommit: configuration.autoCommit,
        condenseOnComplete: configuration.condenseOnComplete,
        ...(configuration.files && { files: configuration.files }),
      },
      clientId: null,
      clientHash: null,
    })
  }

  async function wakeSession(tx: Tx, id: SessionId): Promise<void> {
    const woken = { wakeAt: sql`now()`, wakeNo: sql`${session.wakeNo} + 1` }
    await tx.orm
      .update(session)
      .set({
        ...woken,
        activity: sql`nextval('session_activity')`,
        updatedAt: sql`now()`,
        statusAt: sql`now()`,
      })
      .where(eq(session.id, id))
    tx.afterCommit(deps.wake)
  }

  return { add, addFirst, wakeSession }
}

/** What agents say of the mode and model of a user's message. */
const wordsOf = ({ mode, model }: ExecutionRequest) => ({
  agent: mode,
  model: { providerID: 'corral', modelID: model },
})

export async function firstExecution(tx: Tx, id: SessionId): Promise<ExecutionRow | undefined> {
  const [first] = await tx.orm
    .select()
    .from(execution)
    .where(eq(execution.sessionId, id))
    .orderBy(execution.queuedSeq)
    .limit(1)
  return first
}

export const ackOf = (row: SessionRow, of: ExecutionRow): Ack => ({
  cloudAgentSessionId: row.id,
  kiloSessionId: row.agentSessionId,
  executionId: of.id,
  status: of.state === 'queued' ? 'queued' : 'started',
  streamUrl: `/stream?cloudAgentSessionId=${row.id}`,
})
