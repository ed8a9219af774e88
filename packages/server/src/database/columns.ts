/**
 * Column types of our own. Session ids are stored as plain UUIDs (16 bytes in the log's key) and are
 * `agent_<uuid>` everywhere else; this is the edge at which they are formatted.
 */
import type { SessionId } from '@corral/protocol'
import { customType } from 'drizzle-orm/pg-core'

export const sessionUuid = (id: SessionId): string => id.slice('agent_'.length)
export const sessionIdOf = (uuid: string): SessionId => `agent_${uuid}`

export const sessionIdColumn = customType<{ data: SessionId; driverData: string }>({
  dataType: () => 'uuid',
  toDriver: sessionUuid,
  fromDriver: sessionIdOf,
})

export const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' })
