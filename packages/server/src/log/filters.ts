/** Which events of a session somebody wants. The same filter is applied in SQL (`replay.ts`) and to live events. */
import type { ExecutionId, StreamEventType } from '@corral/protocol'
import type { Frame } from './envelope.ts'

export type Filters = {
  types?: readonly StreamEventType[] | undefined
  /** Events without an execution are then not wanted. */
  executionIds?: readonly ExecutionId[] | undefined
  /** Inclusive, on `timestamp`. */
  from?: Date | undefined
  to?: Date | undefined
}

export function matches(filters: Filters, frame: Frame): boolean {
  const { types, executionIds, from, to } = filters
  if (types && !types.includes(frame.type)) return false
  if (executionIds && !(frame.executionId && executionIds.includes(frame.executionId))) return false
  if (from && frame.at < from) return false
  return !(to && frame.at > to)
}
