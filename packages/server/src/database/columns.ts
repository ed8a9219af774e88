/** Column types of our own. Session ids are stored as plain UUIDs: 16 bytes in the log's key. */
import type { SessionId } from '@corral/protocol'
import { customType } from 'drizzle-orm/pg-core'
import { sessionIdOf, sessionUuid } from './sessionUuid.ts'

export { sessionIdOf, sessionUuid }

export const sessionIdColumn = customType<{ data: SessionId; driverData: string }>({
  dataType: () => 'uuid',
  toDriver: sessionUuid,
  fromDriver: sessionIdOf,
})

export const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' })
