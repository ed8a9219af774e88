/**
 * Session ids are plain UUIDs in the database and `agent_<uuid>` everywhere else; this is the edge at which they are
 * formatted. Apart from the column types, for processes that have no use for the ORM and its 150 MB.
 */
import type { SessionId } from '@corral/protocol'

export const sessionUuid = (id: SessionId): string => id.slice('agent_'.length)
export const sessionIdOf = (uuid: string): SessionId => `agent_${uuid}`
