/**
 * The status of a session that runs here is in no column of its row: it is read from its executions and asks. Whoever
 * moves these says so on the row, so that it has a new revision and is told (migration `session_changes`).
 */
import type { SessionId } from '@corral/protocol'
import { sessionUuid } from '../../database/columns.ts'
import type { Tx } from '../../database/transaction.ts'

export async function noteStatusChange(tx: Tx, ids: readonly SessionId[]): Promise<void> {
  if (ids.length === 0) return
  await tx.client.query({
    name: 'note_status_change',
    text: 'update session set status_at = now() where id = any ($1::uuid[])',
    values: [[...new Set(ids)].map(sessionUuid)],
  })
}
