/** What one message asks for, beside its words. */
import type { SendMessageInput } from '@corral/protocol'
import { eq, sql } from 'drizzle-orm'
import { type ExecutionRequest, execution, type session } from '../../database/schema.ts'
import type { Tx } from '../../database/transaction.ts'

/** What a follow-up does not say is as it was the last time. */
export async function requestOf(
  tx: Tx,
  row: typeof session.$inferSelect,
  input: Partial<Omit<SendMessageInput, 'cloudAgentSessionId' | 'sessionId'>>,
): Promise<ExecutionRequest> {
  const [last] = await tx.orm
    .select({ request: execution.request })
    .from(execution)
    .where(eq(execution.sessionId, row.id))
    .orderBy(sql`${execution.queuedSeq} desc`)
    .limit(1)
  const before = last?.request ?? row.configuration
  return {
    mode: input.mode ?? before.mode,
    model: input.model ?? before.model,
    variant: input.variant ?? before.variant,
    appendSystemPrompt: input.appendSystemPrompt ?? before.appendSystemPrompt,
    autoCommit: input.autoCommit ?? before.autoCommit,
    condenseOnComplete: input.condenseOnComplete ?? before.condenseOnComplete,
  }
}
