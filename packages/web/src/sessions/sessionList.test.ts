import type { AgentSessionId, SessionId, SessionRow } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import {
  byActivity,
  groupOf,
  linesOf,
  matches,
  noFilter,
  organizationsOf,
  repositoriesOf,
  repositoryLabel,
  roots,
  shownStatus,
} from './sessionList.ts'

let made = 0
function row(more: Partial<SessionRow> = {}): SessionRow {
  made += 1
  return {
    sessionId: `ses_${String(made).padStart(26, '0')}` as AgentSessionId,
    cloudAgentSessionId: `agent_00000000-0000-4000-8000-${String(made).padStart(12, '0')}` as SessionId,
    ...{ createdAt: 0, updatedAt: 0, title: 'Fix the tests', createdOnPlatform: 'cloud-agent', organizationId: null },
    ...{ gitUrl: 'https://github.com/Acme/Shop', gitBranch: 'session/x', parentSessionId: null, status: 'idle' },
    ...{ statusUpdatedAt: null, agentKind: 'opencode', revision: 1 },
    ...more,
  }
}

describe('a filter', () => {
  test('lets everything through when nothing is asked for', () => {
    expect(matches(row(), noFilter)).toBe(true)
  })

  test('finds every word in title, repository or branch, in any case and order', () => {
    const found = (search: string) => matches(row({ gitBranch: 'feature/login' }), { ...noFilter, search })
    expect(found('TESTS fix')).toBe(true)
    expect(found('acme login')).toBe(true)
    expect(found('acme logout')).toBe(false)
    expect(found('  ')).toBe(true)
  })

  test('keeps to status, repository and organization', () => {
    const asked = row({ status: 'permission', organizationId: 'o1' })
    expect(matches(asked, { ...noFilter, status: 'needs you' })).toBe(true)
    expect(matches(asked, { ...noFilter, status: 'running' })).toBe(false)
    expect(matches(asked, { ...noFilter, repository: 'https://github.com/acme/other' })).toBe(false)
    expect(matches(asked, { ...noFilter, organization: 'o1' })).toBe(true)
    expect(matches(asked, { ...noFilter, organization: 'personal' })).toBe(false)
    expect(matches(row(), { ...noFilter, organization: 'personal' })).toBe(true)
  })
})

test('a status is what people have to know', () => {
  expect(
    ['question', 'permission', 'busy', 'idle', 'error', null, 'new-word'].map((status) => shownStatus({ status })),
  ).toEqual(['needs you', 'needs you', 'running', 'idle', 'failed', 'idle', 'idle'])
})

test('a repository is named as people say it', () => {
  expect(repositoryLabel('https://github.com/acme/shop.git')).toBe('acme/shop')
  expect(repositoryLabel('https://git.example.com/a/b/c')).toBe('git.example.com/a/b/c')
  expect(repositoryLabel('file:///srv/git/team/shop')).toBe('team/shop')
})

test('a session of a sub-agent has a line of its own only when its parent is not there', () => {
  const parent = row()
  const child = row({ parentSessionId: parent.sessionId })
  expect(roots([parent, child])).toEqual([parent])
  expect(roots([child])).toEqual([child])
})

test('what can be filtered by is counted, the most frequent first', () => {
  const rows = [row({ gitUrl: 'https://github.com/a/b' }), row(), row(), row({ gitUrl: null })]
  expect(repositoriesOf(rows).map(({ label, count }) => [label, count])).toEqual([
    ['Acme/Shop', 2],
    ['a/b', 1],
  ])
  expect(
    organizationsOf([row(), row({ organizationId: 'o' })], (id) => `name of ${id}`).map(({ label }) => label),
  ).toEqual(['name of o', 'Personal'])
})

describe('groups of days', () => {
  const now = new Date(2026, 10, 21, 9).getTime()
  test('follow the calendar, not twenty-four hours', () => {
    expect(groupOf(new Date(2026, 10, 21, 0).getTime(), now)).toBe('Today')
    expect(groupOf(new Date(2026, 10, 20, 23, 59).getTime(), now)).toBe('Yesterday')
    expect(groupOf(new Date(2026, 10, 19, 12).getTime(), now)).toBe('Last 7 days')
    expect(groupOf(new Date(2026, 10, 15, 0).getTime(), now)).toBe('Last 7 days')
    expect(groupOf(new Date(2026, 10, 14, 23).getTime(), now)).toBe('Earlier')
  })

  test('head the sessions that they hold, newest first', () => {
    const [old, today, alsoToday] = [row({ updatedAt: 0 }), row({ updatedAt: now }), row({ updatedAt: now - 1 })]
    const lines = linesOf([old, today, alsoToday].sort(byActivity), now)
    expect(lines.map((line) => (line.kind === 'group' ? line.group : line.row.sessionId))).toEqual([
      'Today',
      today.sessionId,
      alsoToday.sessionId,
      'Earlier',
      old.sessionId,
    ])
    expect(lines.flatMap((line) => (line.kind === 'session' ? [line.place] : []))).toEqual([0, 1, 2])
  })
})
