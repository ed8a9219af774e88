/** For tests: rows of sessions. */
import { newAgentSessionId, newSessionId, type SessionRow } from '@corral/protocol'

export const testRow = (more: Partial<SessionRow> = {}): SessionRow => ({
  sessionId: newAgentSessionId(),
  cloudAgentSessionId: newSessionId(),
  createdAt: 1,
  updatedAt: 2,
  title: 'Mend the test',
  createdOnPlatform: 'cloud-agent',
  organizationId: null,
  gitUrl: 'github.com/acme/widgets',
  gitBranch: 'main',
  parentSessionId: null,
  status: 'idle',
  statusUpdatedAt: null,
  agentKind: 'opencode',
  revision: 1,
  ...more,
})
