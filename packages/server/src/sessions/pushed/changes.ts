/**
 * What the items of a push change in the session's row: pure. Repository and organization are fixed by the first push
 * that names them; a title that a person chose stands against any of an agent.
 */
import type { AgentSessionId } from '@corral/protocol'
import { agentSessionIdSchema } from '@corral/protocol'
import type { session } from '../../database/schema.ts'
import { repositoryName } from '../configuration/repositoryName.ts'
import type { PushedItem } from './item.ts'

type SessionRow = typeof session.$inferSelect
export type RowChanges = Partial<
  Pick<SessionRow, 'title' | 'repository' | 'gitBranch' | 'organizationId' | 'configuration' | 'parentAgentSessionId'>
> & { status?: string }

const maxTitle = 200

/** `organizations`: those that the pusher belongs to now. Of each key only the item that stands. */
export function rowChanges(
  row: SessionRow,
  standing: readonly PushedItem[],
  organizations: ReadonlySet<string>,
): RowChanges {
  const changes: RowChanges = {}
  for (const { type, data } of standing) {
    switch (type) {
      case 'session': {
        const title = textOf(data.title)?.trim().slice(0, maxTitle)
        if (title && row.titleChosenAt === null && title !== row.title) changes.title = title
        const parent = parentOf(data.parentID)
        if (parent && parent !== row.agentSessionId && row.parentAgentSessionId === null) {
          changes.parentAgentSessionId = parent
        }
        break
      }
      case 'kilo_meta': {
        const { platform, gitBranch, gitUrl, orgId } = data
        if (typeof platform === 'string' && platform !== row.configuration.createdOnPlatform) {
          changes.configuration = { ...row.configuration, createdOnPlatform: withoutNul(platform) }
        }
        const branch = textOf(gitBranch)
        if (branch && branch !== row.gitBranch) changes.gitBranch = branch
        const repository =
          row.repository === '' && typeof gitUrl === 'string' ? repositoryName(withoutNul(gitUrl)) : null
        if (repository) changes.repository = repository
        if (row.organizationId === null && typeof orgId === 'string' && organizations.has(orgId)) {
          changes.organizationId = orgId
        }
        break
      }
      case 'session_status': {
        const status = textOf(data.status)
        if (status && status !== row.status) changes.status = status
        break
      }
    }
  }
  return changes
}

const withoutNul = (text: string) => text.replaceAll('\u0000', '\ufffd')
const textOf = (value: unknown): string | null => (typeof value === 'string' ? withoutNul(value) : null)

function parentOf(value: unknown): AgentSessionId | null {
  return agentSessionIdSchema.safeParse(value).data ?? null
}
