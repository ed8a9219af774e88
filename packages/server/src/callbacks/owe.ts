/**
 * A callback is owed from the moment its execution ends: its row is written in that very transaction, so no crash can
 * lose one, and none comes for an end that was not committed. Called by `sessions`, under the lock of the session's head.
 */
import type { ExecutionId } from '@corral/protocol'
import type { Tx } from '../database/transaction.ts'
import { type CallbackTimers, maxAttempts } from './decide.ts'

export type OweCallbacks = {
  /** These executions have ended. */
  ended(tx: Tx, executionIds: readonly ExecutionId[]): Promise<void>
  /** Nothing more is to be told of this one. */
  finalized(tx: Tx, executionId: ExecutionId): Promise<void>
}

export function createOweCallbacks(deps: {
  timers: Pick<CallbackTimers, 'finalizationMs'>
  /** Some may be due. */
  wake(): void
}): OweCallbacks {
  return {
    async ended(tx, executionIds) {
      if (executionIds.length === 0) return
      // By execution_pkey. A callback has its execution's number: one for each, however often this is said.
      const { rowCount } = await tx.client.query({
        name: 'owe_callbacks',
        text: `
          insert into callback (id, session_id, execution_id, owner, target, attempts_left, wake_at)
          select 'dlv_' || substr(e.id, length('exec_') + 1), e.session_id, e.id,
            case when s.organization_id is null then 'user:' || s.user_id else 'organization:' || s.organization_id end,
            e.callback_target, $2,
            case when e.finalization = 'pending' then now() + $3 * interval '1 ms' else now() end
          from execution e join session s on s.id = e.session_id
          where e.id = any($1::text[]) and e.callback_target is not null
          on conflict (execution_id) do nothing`,
        values: [executionIds, maxAttempts, deps.timers.finalizationMs],
      })
      if (rowCount) tx.afterCommit(deps.wake)
    },
    async finalized(tx, executionId) {
      // By callback_execution.
      const { rowCount } = await tx.client.query({
        name: 'callback_finalized',
        text: `update callback set wake_at = now(), wake_no = wake_no + 1 where execution_id = $1 and state = 'waiting'`,
        values: [executionId],
      })
      if (rowCount) tx.afterCommit(deps.wake)
    },
  }
}
