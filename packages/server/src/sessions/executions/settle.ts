/**
 * The end of an execution: the row's final state and the one event that tells it, behind those of its asks, which are
 * withdrawn with it; in one transaction. Whoever calls holds the lock of the session's head and appends the events. An
 * execution that is final already stays as it is.
 */
import { type ExecutionId, type FailureReason, failures, type SessionId } from '@corral/protocol'
import { and, eq, inArray, sql } from 'drizzle-orm'
import { execution, session } from '../../database/schema.ts'
import type { Tx } from '../../database/transaction.ts'
import type { NewEvent } from '../../log/types.ts'
import { withdrawAsks } from '../asks/asks.ts'
import { placesOf } from '../placement/places.ts'

export type Ending =
  | { state: 'completed' }
  | { state: 'failed'; reason: FailureReason; message?: string | undefined; details?: unknown }
  | { state: 'interrupted' }

/** `stopped`: nothing of it can run any more, as with an outcome, or when its sandbox has ended. */
export async function settle(
  tx: Tx,
  which: { sessionId: SessionId; executionId: ExecutionId },
  ending: Ending,
  options: { stopped: boolean },
): Promise<NewEvent[]> {
  const failure = ending.state === 'failed' ? ending : null
  const [ended] = await tx.orm
    .update(execution)
    .set({
      state: ending.state,
      endedAt: sql`now()`,
      reason: failure?.reason ?? (ending.state === 'interrupted' ? 'interrupted' : null),
      failureMessage: failure ? (failure.message ?? failures[failure.reason].sentence) : null,
      sentLink: null,
      stoppedAt: options.stopped ? sql`now()` : sql`case when ${execution.deliveredAt} is null then now() end`,
      finalization:
        ending.state === 'completed'
          ? sql`case when (${execution.request}->>'autoCommit')::boolean then 'pending' else 'none' end`
          : 'none',
    })
    .where(
      and(
        eq(execution.id, which.executionId),
        eq(execution.sessionId, which.sessionId),
        inArray(execution.state, ['queued', 'running']),
      ),
    )
    .returning()
  if (!ended?.endedAt) return []

  const [owner] = await tx.orm
    .update(session)
    .set({
      activity: sql`nextval('session_activity')`,
      updatedAt: sql`now()`,
      statusAt: sql`now()`,
    })
    .where(eq(session.id, which.sessionId))
    .returning()
  if (!owner) throw new Error(`execution ${which.executionId} has no session`)

  const event: NewEvent = {
    ...endingEvent(ending, {
      executionId: ended.id,
      userId: owner.userId,
      workspace: placesOf(owner).workspacePath,
      startedAt: ended.startedAt ?? ended.deliveredAt ?? ended.createdAt,
      endedAt: ended.endedAt,
    }),
    executionId: ended.id,
    key: `ended:${ended.id}`,
    ends: true,
  }
  return [...(await withdrawAsks(tx, which)), event]
}

function endingEvent(
  ending: Ending,
  facts: { executionId: ExecutionId; userId: string; workspace: string; startedAt: Date; endedAt: Date },
): Pick<NewEvent, 'type' | 'data'> {
  switch (ending.state) {
    case 'completed':
      return {
        type: 'complete',
        data: JSON.stringify({
          taskId: facts.executionId,
          exitCode: 0,
          metadata: {
            executionTimeMs: Math.max(0, facts.endedAt.getTime() - facts.startedAt.getTime()),
            workspace: facts.workspace,
            userId: facts.userId,
            startedAt: facts.startedAt.toISOString(),
            completedAt: facts.endedAt.toISOString(),
          },
        }),
      }
    case 'failed':
      return {
        type: 'error',
        data: JSON.stringify({
          error: ending.message ?? failures[ending.reason].sentence,
          reason: ending.reason,
          details: ending.details,
        }),
      }
    case 'interrupted':
      return { type: 'interrupted', data: JSON.stringify({ reason: 'interrupted' }) }
  }
}
