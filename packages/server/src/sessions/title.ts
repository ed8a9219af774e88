/** A session's title: the row's, and the event by which viewers hear of a change that no agent has made. */
import type { SessionId } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import { session } from '../database/schema.ts'
import type { Database, Tx } from '../database/transaction.ts'
import type { Caller } from '../identity/caller.ts'
import type { Log } from '../log/log.ts'
import { lockOwned } from './access.ts'

type SessionRow = typeof session.$inferSelect

export function createRename({ database, log }: { database: Database; log: Pick<Log, 'appendIn'> }) {
  return (caller: Caller, id: SessionId, title: string): Promise<void> =>
    database.transaction(async (tx) => setTitle(tx, log, await lockOwned(tx, caller, id), title))
}

/** The caller holds the session's head. `by` tells the event from what the agent says of its own title. */
export async function setTitle(tx: Tx, log: Pick<Log, 'appendIn'>, row: SessionRow, title: string): Promise<void> {
  if (row.title === title) return
  const [renamed] = await tx.orm
    .update(session)
    .set({ title, updatedAt: sql`now()` })
    .where(eq(session.id, row.id))
    .returning()
  if (!renamed) throw new Error(`session ${row.id} is gone under its own lock`)
  const info = {
    id: row.agentSessionId,
    title,
    time: { created: renamed.createdAt.getTime(), updated: renamed.updatedAt.getTime() },
  }
  const properties = { sessionID: row.agentSessionId, info, by: 'user' }
  await log.appendIn(tx, row.id, [{ type: 'kilocode', data: JSON.stringify({ type: 'session.updated', properties }) }])
}
