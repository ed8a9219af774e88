/** Executions that are not over: queued, running, unfinalized, or possibly still running. Index execution_open. */
import { and, eq, inArray, isNotNull, isNull, or } from 'drizzle-orm'
import { execution } from '../../database/schema.ts'

export const openWork = or(
  inArray(execution.state, ['queued', 'running']),
  eq(execution.finalization, 'pending'),
  and(isNull(execution.stoppedAt), isNotNull(execution.deliveredAt)),
)
