import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newExecutionId } from '@corral/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Checkout, createCheckout } from '../testing/checkout.ts'
import { commitTo, git as look } from '../testing/repository.ts'
import { readDiff } from './diff.ts'

let origin: string
let workspace: string
let folder: Checkout['folder']
let git: Checkout['git']
let finalize: Checkout['finalize']
beforeEach(() => {
  ;({ folder, origin, workspace, git, finalize } = createCheckout())
})
afterEach(() => folder.remove())

const change = (content = 'changed') => writeFileSync(join(workspace, 'readme.md'), content)
const head = () => look(workspace, 'rev-parse', 'HEAD')

describe('finalization', () => {
  it('commits everything on the session branch and pushes it', async () => {
    change()
    writeFileSync(join(workspace, 'new.txt'), 'new')
    const events = await finalize()
    expect(events).toEqual([
      { kind: 'commit', success: true, branch: 'session/one', commitHash: head(), commitMessage: 'Say hello louder' },
      { kind: 'push', success: true, branch: 'session/one', pushStatus: 'pushed' },
    ])
    expect(look(origin, 'rev-parse', 'session/one')).toBe(head())
    expect(look(workspace, 'rev-parse', '--abbrev-ref', '@{upstream}')).toBe('origin/session/one')
    expect(look(workspace, 'log', '-1', '--format=%an <%ae>')).toBe('Corral <corral@localhost>')
  })

  it('commits once when it is done twice', async () => {
    const executionId = newExecutionId()
    change()
    await finalize({ executionId })
    const commit = head()
    expect(await finalize({ executionId })).toEqual([
      { kind: 'commit', success: true, branch: 'session/one', commitHash: commit, commitMessage: 'Say hello louder' },
      { kind: 'push', success: true, skipped: 'nothing_to_push', branch: 'session/one', pushStatus: 'not_attempted' },
    ])
    expect(head()).toBe(commit)
  })

  it('skips a clean tree, but pushes what the agent has committed itself', async () => {
    expect(await finalize()).toMatchObject([{ skipped: 'clean_tree' }, { skipped: 'nothing_to_push' }])
    change()
    look(workspace, 'commit', '--quiet', '--all', '--message', 'By the agent')
    expect(await finalize()).toMatchObject([{ skipped: 'clean_tree' }, { pushStatus: 'pushed' }])
    expect(look(origin, 'rev-parse', 'session/one')).toBe(head())
  })

  it('leaves a detached head alone', async () => {
    change()
    look(workspace, 'checkout', '--quiet', '--detach')
    expect(await finalize()).toEqual([
      { kind: 'commit', success: true, skipped: 'detached_head', pushStatus: 'not_attempted' },
    ])
  })

  it.each(['main', 'master'])('leaves %s alone unless it is the upstream branch', async (branch) => {
    look(workspace, 'checkout', '--quiet', '-B', branch)
    change()
    expect(await finalize()).toEqual([
      { kind: 'commit', success: true, skipped: 'protected_branch', branch, pushStatus: 'not_attempted' },
    ])
    expect(await finalize({ upstreamBranch: branch })).toMatchObject([{ success: true }, { pushStatus: 'pushed' }])
  })

  it('passes by a failing hook', async () => {
    mkdirSync(join(workspace, '.git', 'hooks'), { recursive: true })
    const hook = join(workspace, '.git', 'hooks', 'pre-commit')
    writeFileSync(hook, '#!/bin/sh\nexit 1\n')
    chmodSync(hook, 0o755)
    change()
    expect(await finalize()).toMatchObject([{ kind: 'commit', success: true }, { pushStatus: 'pushed' }])
  })

  it('says that a push was rejected, and keeps the commit', async () => {
    commitTo(origin, 'session/one', { 'other.txt': 'by somebody else' })
    change()
    expect(await finalize()).toMatchObject([
      { kind: 'commit', success: true },
      {
        kind: 'push',
        success: false,
        pushStatus: 'failed',
        message: 'The push was rejected: the branch has commits on the remote that are not here.',
      },
    ])
  })

  it('proposes nothing when the commit could not be made', async () => {
    change()
    writeFileSync(join(workspace, '.git', 'index.lock'), '')
    const host = { kind: 'github', path: '/api/github.com/repos/acme/app', owner: 'acme' } as const
    expect(await finalize({ pullRequest: { draft: false, host } })).toEqual([
      {
        ...{ kind: 'commit', success: false, branch: 'session/one', pushStatus: 'not_attempted' },
        message: 'The changes could not be staged.',
      },
      { kind: 'pull_request', success: false, branch: 'session/one', skipped: 'not_pushed' },
    ])
  })

  it('does not push when that is not wanted', async () => {
    change()
    expect(await finalize({ push: false })).toMatchObject([{ kind: 'commit', success: true }])
  })
})

describe('the diff of a workspace', () => {
  const base = () => look(workspace, 'rev-parse', 'origin/main')

  it('holds what is committed, changed, new, renamed and deleted, and changes nothing itself', async () => {
    writeFileSync(join(workspace, 'moved.txt'), 'a\nb\nc\nd\n')
    writeFileSync(join(workspace, 'gone.txt'), 'x\n')
    look(workspace, 'add', '--all')
    look(workspace, 'commit', '--quiet', '--message', 'Start')
    const start = head()
    look(workspace, 'mv', 'moved.txt', 'there.txt')
    look(workspace, 'rm', '--quiet', 'gone.txt')
    change('Hello\nagain\n')
    writeFileSync(join(workspace, 'a "new" file\n.txt'), 'one\n')
    const before = look(workspace, 'status', '--porcelain')
    const diff = await readDiff(git(), workspace, start)
    expect(diff?.files).toEqual([
      { path: 'a "new" file\n.txt', status: 'added', additions: 1, deletions: 0 },
      { path: 'gone.txt', status: 'deleted', additions: 0, deletions: 1 },
      { path: 'readme.md', status: 'modified', additions: 1, deletions: 0 },
      { path: 'there.txt', status: 'renamed', additions: 0, deletions: 0 },
    ])
    expect(diff?.patch).toContain('+again')
    expect(look(workspace, 'status', '--porcelain')).toBe(before)
  })

  it('is cut at 1 MiB, at the end of a line', async () => {
    writeFileSync(join(workspace, 'big.txt'), 'a line of text\n'.repeat(100_000))
    const diff = await readDiff(git(), workspace, base())
    expect(diff).toMatchObject({ truncated: true, files: [{ path: 'big.txt', additions: 100_000 }] })
    expect(diff?.patch.length).toBeLessThanOrEqual(1024 * 1024)
    expect(diff?.patch.endsWith('\n')).toBe(true)
  })

  it('is none without the commit that it starts from', async () => {
    expect(await readDiff(git(), workspace, '0'.repeat(40))).toBe(null)
    expect(readFileSync(join(workspace, 'readme.md'), 'utf8')).toBe('Hello\n')
  })
})
