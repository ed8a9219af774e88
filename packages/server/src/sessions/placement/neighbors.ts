/** The other sessions of a session's sandbox: what happens to all of it must not happen to them for one session's sake. */
import { and, eq, exists, ne, sql } from 'drizzle-orm'
import { execution, session } from '../../database/schema.ts'
import type { Orm } from '../../database/transaction.ts'
import { openWork } from '../executions/openWork.ts'

/** `busy`: one of them has work, or something of it may still run. */
export type Neighbors = 'none' | 'idle' | 'busy'

/** Under the lock of the sandbox where something is decided by it. Index session_sandbox, then execution_open. */
export async function neighborsOf(orm: Orm, row: typeof session.$inferSelect): Promise<Neighbors> {
  if (row.configuration.isolation !== 'shared' || row.sandboxId === null) return 'none'
  const work = orm
    .select({ one: sql`1` })
    .from(execution)
    .where(and(eq(execution.sessionId, session.id), openWork))
  const neighbors = await orm
    .select({ busy: exists(work).mapWith(Boolean) })
    .from(session)
    .where(and(eq(session.sandboxId, row.sandboxId), ne(session.id, row.id), ne(session.state, 'deleted')))
  if (neighbors.length === 0) return 'none'
  return neighbors.some(({ busy }) => busy) ? 'busy' : 'idle'
}
