/** Columns as they are in all tables. Session ids are stored as plain UUIDs: 16 bytes in the log's key. */
import type { SessionId } from '@corral/protocol'
import { bigint, customType, numeric, timestamp } from 'drizzle-orm/pg-core'
import { sessionIdOf, sessionUuid } from './sessionUuid.ts'

export { sessionIdOf, sessionUuid }

export const sessionIdColumn = customType<{ data: SessionId; driverData: string }>({
  dataType: () => 'uuid',
  toDriver: sessionUuid,
  fromDriver: sessionIdOf,
})

export const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' })

export const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
export const count = (name: string) => bigint(name, { mode: 'number' })
/** A single token may cost less than a millionth. */
export const usd = (name: string) => numeric(name, { precision: 20, scale: 9, mode: 'number' })

/** The reconciler's columns, the same for everything it owns. */
export const claimColumns = () => ({
  /** When the reconciler looks at this row next; null when nothing is to be expected. */
  wakeAt: at('wake_at'),
  /** Moves with each `wake()`, so that a wake during an effect is not lost. */
  wakeNo: count('wake_no').notNull().default(0),
  claimNo: count('claim_no').notNull().default(0),
  claimUntil: at('claim_until'),
})
