/** Where a session's things are inside its sandbox, and what its sandbox is called. */
import { homePath, type SessionId, sandboxName, workspacePath } from '@corral/protocol'

type SessionOwner = { id: SessionId; userId: string; organizationId: string | null; botId: string | null }

export function placesOf(session: SessionOwner): { workspacePath: string; home: string; sandboxName: string } {
  return {
    workspacePath: workspacePath(session, session.id),
    home: homePath(session.id),
    sandboxName: sandboxName(session, session.id),
  }
}
