import { expect, test } from 'vitest'
import { finalizationResult } from './finalization.ts'

const branch = 'session/one'

test('a finalization that committed, pushed and opened a pull request tells all three', () => {
  expect(
    finalizationResult([
      { kind: 'commit', success: true, branch, commitHash: 'abc', commitMessage: 'Mend it' },
      { kind: 'push', success: true, branch, pushStatus: 'pushed' },
      { kind: 'pull_request', success: true, branch, url: 'https://github.com/acme/app/pull/7', number: 7 },
    ]),
  ).toEqual({ branch, commitHash: 'abc', pushStatus: 'pushed', pullRequestUrl: 'https://github.com/acme/app/pull/7' })
})

test('what was skipped, or never said, was not pushed', () => {
  expect(finalizationResult([])).toEqual({ pushStatus: 'not_attempted' })
  expect(finalizationResult([{ kind: 'commit', success: true, skipped: 'detached_head' }])).toEqual({
    pushStatus: 'not_attempted',
  })
})

test('one that was begun again keeps what the first had done', () => {
  const commit = { kind: 'commit', success: true, branch, commitHash: 'abc' } as const
  expect(
    finalizationResult([
      commit,
      { kind: 'push', success: true, branch, pushStatus: 'pushed' },
      commit,
      { kind: 'push', success: true, branch, skipped: 'nothing_to_push', pushStatus: 'not_attempted' },
    ]),
  ).toEqual({ branch, commitHash: 'abc', pushStatus: 'pushed' })
})

test('a push that failed after the commit leaves the commit', () => {
  expect(
    finalizationResult([
      { kind: 'commit', success: true, branch, commitHash: 'abc' },
      { kind: 'push', success: false, branch, pushStatus: 'failed', message: 'The push was rejected.' },
    ]),
  ).toEqual({ branch, commitHash: 'abc', pushStatus: 'failed' })
})
