/** A `status` event of the server's own; its key makes a repeated append a no-op. */
import type { ExecutionId, StatusData } from '@corral/protocol'
import type { NewEvent } from '../../log/types.ts'

export const statusEvent = (data: StatusData, key: string, executionId?: ExecutionId): NewEvent => ({
  type: 'status',
  executionId,
  data: JSON.stringify(data),
  key,
})
