/**
 * Suggestions of agents as rows. Invariants: one is shown once and closed once, each told by one event in the transaction of
 * the row's change; with the next message of the user whatever is open is withdrawn; how many are open is bounded. Whoever
 * calls holds the lock of the session's head. What people do with them is `suggestions.ts`'s.
 */
import { kilocodeDataSchema, type SessionId, suggestionRequestSchema } from '@corral/protocol'
import { and, count, eq, sql } from 'drizzle-orm'
import { suggestion } from '../../database/askTables.ts'
import type { Tx } from '../../database/transaction.ts'
import type { AdmittedEvent, NewEvent } from '../../log/types.ts'

export type SuggestionRow = typeof suggestion.$inferSelect

const mostOpen = 10
const nothing = { events: [] as NewEvent[], wakes: false }

/** What an agent offers while an execution runs; its own word on what became of it counts for nothing. */
export async function noteSuggestion(
  tx: Tx,
  id: SessionId,
  incoming: AdmittedEvent,
): Promise<{ events: NewEvent[]; wakes: boolean }> {
  const { type, properties } = kilocodeDataSchema.parse(incoming.data)
  const { executionId } = incoming
  if (type !== 'suggestion.shown' || !executionId) return nothing
  const request = suggestionRequestSchema.parse(properties)
  const [open] = await tx.orm
    .select({ count: count() })
    .from(suggestion)
    .where(and(eq(suggestion.sessionId, id), eq(suggestion.state, 'open')))
  if ((open?.count ?? 0) >= mostOpen) return nothing
  const [added] = await tx.orm
    .insert(suggestion)
    .values({ sessionId: id, id: request.id, executionId, agentSessionId: request.sessionID, request })
    .onConflictDoNothing()
    .returning({ id: suggestion.id })
  if (!added) return nothing
  return { events: [{ type: 'kilocode', executionId, data: JSON.stringify(incoming.data) }], wakes: false }
}

/** With the user's next message nobody means them any more. By `suggestion_open`. */
export async function withdrawSuggestions(tx: Tx, id: SessionId): Promise<NewEvent[]> {
  const gone = await tx.orm
    .update(suggestion)
    .set({ state: 'withdrawn', closedAt: sql`now()` })
    .where(and(eq(suggestion.sessionId, id), eq(suggestion.state, 'open')))
    .returning()
  return gone.map((row) => closingEvent(row, { by: 'end' }))
}

/** In the agent's own vocabulary, so that its clients know it; `by` says who closed it. */
export function closingEvent(
  row: SuggestionRow,
  how: { by: 'end' | 'user'; accepted?: { index: number; action: object } },
): NewEvent {
  const { by, accepted } = how
  const properties = { sessionID: row.agentSessionId, requestID: row.id, ...accepted, by }
  return {
    type: 'kilocode',
    executionId: row.executionId,
    data: JSON.stringify({ type: accepted ? 'suggestion.accepted' : 'suggestion.dismissed', properties }),
    key: `closed:${row.id}`,
  }
}
