/**
 * What follows a turn that has completed: everything is committed, pushed, and proposed as a pull request where that was
 * asked for. Each step tells how it went, is bounded, and can be done again; none changes the outcome of the turn.
 */
import type { FinalizationData, FinalizeParams } from '@corral/protocol'
import type { GatewayCalls } from '../doors/gatewayCalls.ts'
import type { Log } from '../host/log.ts'
import { commitAll } from './commit.ts'
import { writeCommitMessage } from './commitMessage.ts'
import { type Git, line } from './git.ts'
import { openPullRequest } from './pullRequest.ts'
import { pushBranch } from './push.ts'

const protectedBranches = ['main', 'master']

export type FinalizeOptions = {
  git: Git
  params: FinalizeParams
  /** To the gateway, as this session. */
  call: GatewayCalls
  emit(data: FinalizationData): void
  signal: AbortSignal
  log: Log
}

export async function finalizeWorkspace(options: FinalizeOptions): Promise<void> {
  const { git, params, emit, signal } = options
  const bounds = { timeoutMs: params.timeouts.stepMs, signal }
  const branch = await line(git, ['symbolic-ref', '--short', '--quiet', 'HEAD'], bounds)
  if (branch === null || (protectedBranches.includes(branch) && branch !== params.upstreamBranch)) {
    const skipped = branch === null ? 'detached_head' : 'protected_branch'
    const told = { success: true, skipped, ...(branch !== null && { branch }) }
    emit({ kind: 'commit', ...told, pushStatus: 'not_attempted' })
    if (params.pullRequest) emit({ kind: 'pull_request', ...told })
    return
  }
  const message = () => writeCommitMessage(options)
  const committed = await commitAll({ ...options, branch, message })
  if (!params.push) return
  const pushed = committed ? await pushBranch({ ...options, branch }) : 'failed'
  if (params.pullRequest) await openPullRequest({ ...options, wanted: params.pullRequest, branch, pushed })
}
