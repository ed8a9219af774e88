/**
 * Trees of sessions: a parent is remembered by the agent's id for it, whether it is here or comes later. Invariants:
 * nobody is an own ancestor, and parents are one's own. Changes of one owner's trees follow each other.
 */
import type { AgentSessionId } from '@corral/protocol'
import type { session } from '../../database/schema.ts'
import type { Tx } from '../../database/transaction.ts'
import type { RowChanges } from './changes.ts'

type SessionRow = typeof session.$inferSelect

/** How far up a circle is looked for; no tree is that deep. */
const maxAncestors = 100

/** The same changes, without a parent that would close a circle. */
export async function keepParents(tx: Tx, row: SessionRow, changes: RowChanges): Promise<RowChanges> {
  const { parentAgentSessionId: parent, ...others } = changes
  if (!parent) return changes
  // Two sessions that name each other at once would see no circle.
  await tx.client.query(`select pg_advisory_xact_lock(hashtextextended('session parents ' || $1, 0))`, [row.userId])
  return (await isAncestor(tx, row, parent)) ? others : changes
}

async function isAncestor(tx: Tx, { userId, agentSessionId }: SessionRow, of: AgentSessionId): Promise<boolean> {
  // Each step by `session_agent_session`.
  const { rows } = await tx.client.query({
    name: 'session_ancestors',
    text: `with recursive up (id, depth) as (
             select $2::text, 0
             union all
             select s.parent_agent_session_id, depth + 1 from up
             join session s on s.user_id = $1 and s.agent_session_id = up.id
             where depth < ${maxAncestors} and s.parent_agent_session_id is not null)
           select 1 from up where id = $3 limit 1`,
    values: [userId, of, agentSessionId],
  })
  return rows.length > 0
}
