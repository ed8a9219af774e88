/**
 * Commits and pushes what an execution left behind. Invariants: done twice, it commits once, since the commit carries
 * `Corral-Execution: <id>`; a failing hook is passed by, everything else that fails is told and changes no outcome;
 * each step is bounded.
 */
import type { FinalizationData, FinalizeParams } from '@corral/protocol'
import { type Git, line } from './git.ts'

const protectedBranches = ['main', 'master']

export type FinalizeOptions = {
  git: Git
  params: FinalizeParams
  emit(data: FinalizationData): void
  signal: AbortSignal
}

export async function finalizeWorkspace(options: FinalizeOptions): Promise<void> {
  const { git, params, emit, signal } = options
  const bounds = { timeoutMs: params.timeouts.stepMs, signal }
  const branch = await line(git, ['symbolic-ref', '--short', '--quiet', 'HEAD'], bounds)
  if (branch === null) return emit({ kind: 'commit', success: true, skipped: 'detached_head' })
  if (protectedBranches.includes(branch) && branch !== params.upstreamBranch)
    return emit({ kind: 'commit', success: true, skipped: 'protected_branch', branch })
  const committed = await commit(options, branch)
  if (committed && params.push) await push(options, branch)
}

/** False when there is work that could not be committed: pushing without it would be misleading. */
async function commit({ git, params, emit, signal }: FinalizeOptions, branch: string): Promise<boolean> {
  const bounds = { timeoutMs: params.timeouts.stepMs, signal }
  const trailer = `Corral-Execution: ${params.executionId}`
  const head = () => line(git, ['rev-parse', '--verify', '--quiet', 'HEAD'], bounds)
  const subject = () => line(git, ['log', '-1', '--format=%s'], bounds)
  const failed = (message: string) => {
    emit({ kind: 'commit', success: false, branch, message })
    return false
  }

  const status = await git(['status', '--porcelain'], bounds)
  if (status.code !== 0) return failed('git could not tell what has changed.')
  if (status.stdout === '') {
    const mine = await line(git, ['log', '-50', '--format=%H', '--fixed-strings', `--grep=${trailer}`], bounds)
    const hash = mine?.split('\n')[0]
    if (!hash) emit({ kind: 'commit', success: true, skipped: 'clean_tree', branch })
    else
      emit({ kind: 'commit', success: true, branch, commitHash: hash, commitMessage: (await subject()) ?? undefined })
    return true
  }

  if ((await git(['add', '--all'], bounds)).code !== 0) return failed('The changes could not be staged.')
  const message = `${params.commitMessage.trim()}\n\n${trailer}\n`
  const args = ['-c', 'commit.gpgSign=false', 'commit', '--quiet', '--file=-']
  let end = await git(args, { ...bounds, input: message })
  // The usual cause is a hook; the work must not be lost to it.
  if (end.code !== 0) end = await git([...args, '--no-verify'], { ...bounds, input: message })
  if (end.code !== 0) return failed('The commit could not be made.')
  emit({
    kind: 'commit',
    success: true,
    branch,
    commitHash: (await head()) ?? undefined,
    commitMessage: (await subject()) ?? undefined,
  })
  return true
}

async function push({ git, params, emit, signal }: FinalizeOptions, branch: string): Promise<void> {
  const bounds = { timeoutMs: params.timeouts.stepMs, signal }
  const known = `refs/remotes/origin/${branch}`
  const remoteHead = await line(git, ['rev-parse', '--verify', '--quiet', known], bounds)
  const range = remoteHead ? [`${known}..HEAD`] : ['HEAD', '--not', '--remotes=origin']
  const ahead = await line(git, ['rev-list', '--count', ...range], bounds)
  if (ahead === null || ahead === '0')
    return emit({ kind: 'push', success: true, skipped: 'nothing_to_push', branch, pushStatus: 'not_attempted' })

  const upstream = await line(git, ['rev-parse', '--abbrev-ref', '--symbolic-full-name', '@{upstream}'], bounds)
  const args = ['push', '--quiet', ...(upstream ? [] : ['--set-upstream']), 'origin', `HEAD:refs/heads/${branch}`]
  const end = await git(args, { timeoutMs: params.timeouts.pushMs, signal })
  if (end.code === 0) return emit({ kind: 'push', success: true, branch, pushStatus: 'pushed' })
  if (end.stoppedBy === 'timeout')
    return emit({
      kind: 'push',
      success: false,
      branch,
      pushStatus: 'unknown',
      message: `The push did not end within ${params.timeouts.pushMs / 1000} s; the remote may have it or not.`,
    })
  emit({ kind: 'push', success: false, branch, pushStatus: 'failed', message: explainPush(end.stderr) })
}

function explainPush(stderr: string): string {
  if (/non-fast-forward|fetch first|\[rejected\]/.test(stderr))
    return 'The push was rejected: the branch has commits on the remote that are not here.'
  if (/remote rejected|returned error: 403|hook declined/.test(stderr))
    return 'The push was refused by the remote or by the gateway.'
  if (/Could not resolve|Failed to connect|Connection|returned error: 5\d\d/.test(stderr))
    return 'The push failed: the git server could not be reached.'
  return 'The push failed.'
}
