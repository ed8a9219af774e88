/**
 * Clones the repository and puts the session's branch in place. Invariants: everything happens in a temporary folder
 * beside the workspace, which is stamped and then renamed, so a workspace is whole or not there; what the network
 * does is tried three times, what the repository says is final.
 */
import { globSync, mkdirSync, renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { PrepareParams } from '@corral/protocol'
import { removeTree } from '../host/removeTree.ts'
import type { RunEnd } from '../host/run.ts'
import type { Steps } from '../sessions/steps.ts'
import { PreparationFailed } from './failure.ts'
import { createGit, emptyTree, type Git, line } from './git.ts'
import { type Stamp, writeStamp } from './stamp.ts'

const tries = 3
const localStepMs = 60_000

type CloneOptions = {
  params: PrepareParams
  environment: Record<string, string>
  steps: Steps
  /** Brings a checkout to where the session was, before anybody sees it. Absent: it begins where the repository is. */
  restore?: ((folder: string) => Promise<{ base: string | null }>) | undefined
  signal: AbortSignal
}

/** Resolves when the workspace is whole and stamped. */
export async function cloneWorkspace(options: CloneOptions): Promise<Stamp> {
  const { params, environment, steps, restore, signal } = options
  const { workspacePath, attempt } = params
  const fresh = `${workspacePath}.corral-${attempt}.tmp`
  mkdirSync(dirname(workspacePath), { recursive: true })
  // Of attempts that were killed.
  for (const left of globSync(`${basename(workspacePath)}.corral-*.tmp`, { cwd: dirname(workspacePath) }))
    removeTree(join(dirname(workspacePath), left))
  try {
    const deadline = performance.now() + params.timeouts.cloneMs
    const remote = await steps.run('clone', 'Cloning the repository', async () => {
      const git = createGit({ cwd: dirname(workspacePath), environment })
      const found = await readRemote(git, params, deadline, signal)
      await clone(git, { params, remote: found, into: fresh, deadline, signal })
      return found
    })
    const begun = await steps.run('branch', `Checking out ${params.branch.name}`, async () => {
      const git = createGit({ cwd: fresh, environment })
      await putBranchInPlace(git, params, remote, signal)
      const head = await line(git, ['rev-parse', '--verify', '--quiet', 'HEAD'], { timeoutMs: localStepMs, signal })
      return {
        attempt,
        edition: params.edition,
        branch: params.branch.name,
        baseCommit: head ?? emptyTree,
        setUp: false,
      }
    })
    const stamp = restore
      ? await steps.run('restore', 'Bringing back the work', async () => {
          const { base } = await restore(fresh)
          return { ...begun, baseCommit: base ?? emptyTree }
        })
      : begun
    writeStamp(fresh, stamp)
    removeTree(workspacePath)
    renameSync(fresh, workspacePath)
    return stamp
  } finally {
    removeTree(fresh)
  }
}

type Remote = { empty: boolean; hasBranch: boolean }

/** One look at the remote decides everything: whether it is empty, and whether it has the branch. */
async function readRemote(git: Git, params: PrepareParams, deadline: number, signal: AbortSignal): Promise<Remote> {
  const ref = `refs/heads/${params.branch.name}`
  const { stdout } = await overNetwork(
    git,
    ['ls-remote', params.repository.url, 'HEAD', 'refs/heads/*'],
    deadline,
    signal,
  )
  const refs = stdout
    .split('\n')
    .map((row) => row.split('\t')[1])
    .filter((name) => name !== undefined)
  const hasBranch = refs.includes(ref)
  if (params.branch.kind === 'upstream' && !hasBranch)
    throw new PreparationFailed('branch_not_found', `The repository has no branch ${params.branch.name}.`)
  return { empty: refs.length === 0, hasBranch }
}

async function clone(
  git: Git,
  options: { params: PrepareParams; remote: Remote; into: string; deadline: number; signal: AbortSignal },
): Promise<void> {
  const { params, remote, into, deadline, signal } = options
  const args = ['clone', '--quiet', '--no-recurse-submodules', '--template=']
  if (remote.hasBranch) args.push('--branch', params.branch.name)
  if (params.shallow) args.push('--depth', '1')
  await overNetwork(git, [...args, '--', params.repository.url, into], deadline, signal, () => removeTree(into))
  // A shallow clone follows one branch; the agent may fetch others later.
  if (params.shallow) {
    const refspec = '+refs/heads/*:refs/remotes/origin/*'
    await git(['-C', into, 'config', 'remote.origin.fetch', refspec], { timeoutMs: localStepMs, signal })
  }
}

/** A branch that the remote has is checked out by the clone, at its tip; any other begins at the default branch. */
async function putBranchInPlace(git: Git, params: PrepareParams, remote: Remote, signal: AbortSignal): Promise<void> {
  if (remote.hasBranch) return
  const { name } = params.branch
  const args = remote.empty
    ? ['symbolic-ref', 'HEAD', `refs/heads/${name}`]
    : ['checkout', '--quiet', '--no-track', '-b', name]
  const { code } = await git(args, { timeoutMs: localStepMs, signal })
  if (code !== 0) throw new PreparationFailed('workspace_setup_failed', `The branch ${name} could not be created.`)
}

async function overNetwork(
  git: Git,
  args: readonly string[],
  deadline: number,
  signal: AbortSignal,
  cleanUp?: () => void,
): Promise<RunEnd> {
  for (let attempt = 1; ; attempt++) {
    const timeoutMs = deadline - performance.now()
    if (timeoutMs <= 0) throw tooSlow()
    const end = await git(args, { timeoutMs, signal })
    if (end.code === 0) return end
    signal.throwIfAborted()
    if (end.stoppedBy === 'timeout') throw tooSlow()
    const failure = explain(end.stderr)
    if (failure.kind === 'final' || attempt === tries) throw new PreparationFailed(failure.reason, failure.sentence)
    cleanUp?.()
    await delay(250 * 2 ** attempt * (0.5 + Math.random() / 2), undefined, { signal })
  }
}

const tooSlow = () => new PreparationFailed('clone_failed', 'The repository could not be cloned within the time limit.')

type Explained = { kind: 'network' | 'final'; reason: 'clone_failed' | 'disk_full'; sentence: string }

/** What git's own words (LC_ALL=C) mean. Missing and forbidden repositories fail alike. */
function explain(stderr: string): Explained {
  if (/No space left on device|Disk quota exceeded/i.test(stderr))
    return { kind: 'final', reason: 'disk_full', sentence: 'The disk is full.' }
  const network =
    /Could not resolve|Failed to connect|Couldn't connect|Connection (refused|reset|timed out)|Recv failure|Send failure|Empty reply|transfer closed|early EOF|unexpected disconnect|hung up unexpectedly|RPC failed|GnuTLS|SSL_|returned error: (429|5\d\d)/i
  if (network.test(stderr))
    return {
      kind: 'network',
      reason: 'clone_failed',
      sentence: 'The git server could not be reached, after three tries.',
    }
  return {
    kind: 'final',
    reason: 'clone_failed',
    sentence: 'The repository could not be cloned: it does not exist or may not be read.',
  }
}
