/**
 * Wakes: the reconciler looks at a row once its `wakeAt` has come, by PostgreSQL's clock. `wakeNo` moves with each
 * wake, so that one which comes while an effect runs is not lost.
 */
import type { SandboxId, SessionId } from '@corral/protocol'
import { sessionUuid } from './columns.ts'
import type { Tx } from './transaction.ts'

/** Locked in the order of ids, as heads are: two that wake the same sessions must not wait for each other. */
const inOrder = (which: string) =>
  `id = any(array(select id from session where ${which} order by id for no key update))`

export async function wakeSessions(tx: Tx, ids: readonly SessionId[]): Promise<void> {
  if (ids.length === 0) return
  await tx.client.query({
    name: 'wake_sessions',
    text: `update session set wake_at = now(), wake_no = wake_no + 1 where ${inOrder('id = any($1::uuid[])')}`,
    values: [ids.map(sessionUuid)],
  })
}

/** Wakes the sandbox itself, not its sessions. */
export async function wakeSandbox(tx: Tx, id: SandboxId): Promise<void> {
  await tx.client.query({
    name: 'wake_sandbox',
    text: `update sandbox set wake_at = now(), wake_no = wake_no + 1 where id = $1`,
    values: [id],
  })
}

/** Everything whose next step may depend on this sandbox. */
export async function wakeSessionsOf(tx: Tx, id: SandboxId): Promise<void> {
  await tx.client.query({
    name: 'wake_sessions_of',
    text: `update session set wake_at = now(), wake_no = wake_no + 1
      where ${inOrder(`sandbox_id = $1 and state <> 'unprepared'`)}`,
    values: [id],
  })
}
