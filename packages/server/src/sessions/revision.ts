/**
 * The revision of a session's row of metadata: whatever changes in what `rows.ts` shows raises it, in the transaction of
 * the change. Here it is raised for what is in no column of the row: the status of what runs here.
 */
import type { SessionId } from '@corral/protocol'
import { sessionUuid } from '../database/columns.ts'
import type { Tx } from '../database/transaction.ts'

export async function noteStatusChange(tx: Tx, ids: readonly SessionId[]): Promise<void> {
  if (ids.length === 0) return
  await tx.client.query({
    name: 'note_status_change',
    text: 'update session set revision = revision + 1, status_at = now() where id = any ($1::uuid[])',
    values: [[...new Set(ids)].map(sessionUuid)],
  })
}
