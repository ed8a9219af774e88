/**
 * Which sessions are shown, and how: pure. A search finds every word of it in the title, the repository, the branch or
 * the ids.
 */
import type { SessionRow } from '@corral/protocol'

export const statuses = ['needs you', 'running', 'idle', 'failed'] as const
/** What people look for: somebody is asked, work is under way, nothing is, or the agent stands still with an error. */
export type ShownStatus = (typeof statuses)[number]

export type Filter = {
  search: string
  status: ShownStatus | null
  repository: string | null
  organization: string | null
}
export const noFilter: Filter = { search: '', status: null, repository: null, organization: null }
export const isFiltering = ({ search, status, repository, organization }: Filter): boolean =>
  search.trim() !== '' || status !== null || repository !== null || organization !== null
/** Of sessions that are nobody's but their owner's. */
const personal = 'personal'

export function shownStatus({ status }: Pick<SessionRow, 'status'>): ShownStatus {
  switch (status) {
    case 'question':
    case 'permission':
      return 'needs you'
    case 'busy':
    case 'retry':
    case 'running':
      return 'running'
    case 'error':
    case 'failed':
      return 'failed'
    default:
      return 'idle'
  }
}

/** As people say it: without scheme, `.git` and the host that most have. */
export function repositoryLabel(gitUrl: string): string {
  const local = /^file:\/\/(.*)$/.exec(gitUrl)
  if (local?.[1])
    return local[1]
      .replace(/\.git$/, '')
      .split('/')
      .filter(Boolean)
      .slice(-2)
      .join('/')
  return gitUrl
    .replace(/^[a-z+]+:\/\//i, '')
    .replace(/\.git$/, '')
    .replace(/^github\.com\//, '')
}

export function matches(row: SessionRow, filter: Filter): boolean {
  if (filter.status !== null && shownStatus(row) !== filter.status) return false
  if (filter.repository !== null && row.gitUrl !== filter.repository) return false
  if (filter.organization !== null && (row.organizationId ?? personal) !== filter.organization) return false
  const words = filter.search.toLocaleLowerCase().split(/\s+/).filter(Boolean)
  const text = [row.title, row.gitUrl, row.gitBranch, row.sessionId, row.cloudAgentSessionId]
    .join('\n')
    .toLocaleLowerCase()
  return words.every((word) => text.includes(word))
}

/** Sub-agents' sessions stay with their parent and have no line of their own while it is there. */
export function roots(rows: readonly SessionRow[]): SessionRow[] {
  const ids = new Set(rows.map(({ sessionId }) => sessionId))
  return rows.filter(({ parentSessionId }) => parentSessionId === null || !ids.has(parentSessionId))
}

/** The most recent change first; of the same moment the one that changed more often. */
export const byActivity = (one: SessionRow, other: SessionRow): number =>
  other.updatedAt - one.updatedAt || other.revision - one.revision

export type Choice = { value: string; label: string; count: number }

/** What can be filtered by, the most frequent first. */
export function repositoriesOf(rows: readonly SessionRow[]): Choice[] {
  return counted(
    rows.flatMap(({ gitUrl }) => (gitUrl === null ? [] : [gitUrl])),
    repositoryLabel,
  )
}

export const organizationsOf = (rows: readonly SessionRow[], nameOf: (id: string) => string): Choice[] =>
  counted(
    rows.map(({ organizationId }) => organizationId ?? personal),
    (id) => (id === personal ? 'Personal' : nameOf(id)),
  )

function counted(values: readonly string[], labelOf: (value: string) => string): Choice[] {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts]
    .map(([value, count]) => ({ value, label: labelOf(value), count }))
    .sort((one, other) => other.count - one.count || one.label.localeCompare(other.label))
}

const dayMs = 24 * 60 * 60_000
export type Group = 'Today' | 'Yesterday' | 'Last 7 days' | 'Earlier'

/** By the days of the reader's own calendar. */
export function groupOf(atMs: number, nowMs: number): Group {
  const today = new Date(nowMs).setHours(0, 0, 0, 0)
  if (atMs >= today) return 'Today'
  // Days of 23 and 25 hours begin at midnight, too.
  if (atMs >= new Date(today - dayMs / 2).setHours(0, 0, 0, 0)) return 'Yesterday'
  return atMs >= new Date(today - 5.5 * dayMs).setHours(0, 0, 0, 0) ? 'Last 7 days' : 'Earlier'
}

export type Line = { kind: 'group'; group: Group } | { kind: 'session'; row: SessionRow; place: number }

/** What the list has from top to bottom. `place` counts sessions alone, for moving among them by keyboard. */
export function linesOf(rows: readonly SessionRow[], nowMs: number): Line[] {
  let group: Group | null = null
  return rows.flatMap((row, place): Line[] => {
    const line: Line = { kind: 'session', row, place }
    const its = groupOf(row.updatedAt, nowMs)
    if (its === group) return [line]
    group = its
    return [{ kind: 'group', group: its }, line]
  })
}
