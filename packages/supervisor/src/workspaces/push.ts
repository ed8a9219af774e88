/** Pushes the branch, when it has what the remote has not. The gateway lets the session's own branch through alone. */
import type { FinalizationData, FinalizeParams } from '@corral/protocol'
import { type Git, line } from './git.ts'

/** `nothing`: the remote has everything, or there is nothing at all. `failed`: or it was not tried, since the commit failed. */
export type PushEnd = 'pushed' | 'nothing' | 'failed'

export async function pushBranch(options: {
  git: Git
  params: Pick<FinalizeParams, 'timeouts'>
  branch: string
  emit(data: FinalizationData): void
  signal: AbortSignal
}): Promise<PushEnd> {
  const { git, params, branch, emit, signal } = options
  const bounds = { timeoutMs: params.timeouts.stepMs, signal }
  const known = `refs/remotes/origin/${branch}`
  const remoteHead = await line(git, ['rev-parse', '--verify', '--quiet', known], bounds)
  const range = remoteHead ? [`${known}..HEAD`] : ['HEAD', '--not', '--remotes=origin']
  const ahead = await line(git, ['rev-list', '--count', ...range], bounds)
  if (ahead === null || ahead === '0') {
    emit({ kind: 'push', success: true, skipped: 'nothing_to_push', branch, pushStatus: 'not_attempted' })
    return 'nothing'
  }

  const upstream = await line(git, ['rev-parse', '--abbrev-ref', '--symbolic-full-name', '@{upstream}'], bounds)
  const args = ['push', '--quiet', ...(upstream ? [] : ['--set-upstream']), 'origin', `HEAD:refs/heads/${branch}`]
  const end = await git(args, { timeoutMs: params.timeouts.pushMs, signal })
  if (end.code === 0) {
    emit({ kind: 'push', success: true, branch, pushStatus: 'pushed' })
    return 'pushed'
  }
  const message =
    end.stoppedBy === 'timeout'
      ? `The push did not end within ${params.timeouts.pushMs / 1000} s; the remote may have it or not.`
      : explainPush(end.stderr)
  const pushStatus = end.stoppedBy === 'timeout' ? 'unknown' : 'failed'
  emit({ kind: 'push', success: false, branch, pushStatus, message })
  return 'failed'
}

function explainPush(stderr: string): string {
  // Our own sentence, which says what may be pushed instead.
  const refused = /corral: this session may push to \S+ only/.exec(stderr)?.[0]
  if (refused) return `The push was refused: ${refused.slice('corral: '.length)}.`
  if (/non-fast-forward|fetch first|\[rejected\]/.test(stderr))
    return 'The push was rejected: the branch has commits on the remote that are not here.'
  if (/remote rejected|returned error: 403|hook declined/.test(stderr))
    return 'The push was refused by the remote or by the gateway.'
  if (/Could not resolve|Failed to connect|Connection|returned error: 5\d\d/.test(stderr))
    return 'The push failed: the git server could not be reached.'
  return 'The push failed.'
}
