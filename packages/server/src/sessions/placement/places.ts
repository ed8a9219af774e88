/** Where a session's things are inside its sandbox, and which sandbox that is. */
import { homePath, type SessionId, sandboxName, workspacePath } from '@corral/protocol'
import type { SessionConfiguration } from '../../database/schema.ts'

type SessionOfOwner = {
  id: SessionId
  userId: string
  organizationId: string | null
  botId: string | null
  configuration: Pick<SessionConfiguration, 'isolation'>
}

export type Places = {
  workspacePath: string
  home: string
  sandboxName: string
  /** The identity of a shared sandbox, which its name is not: parts of it may hold whatever joins them. */
  sharedBy: string | null
}

export function placesOf(session: SessionOfOwner): Places {
  const { id, organizationId, userId, botId } = session
  const shared = session.configuration.isolation === 'shared'
  return {
    workspacePath: workspacePath(session, id),
    home: homePath(id),
    sandboxName: sandboxName(session, shared ? null : id),
    sharedBy: shared ? JSON.stringify([organizationId, userId, botId]) : null,
  }
}
