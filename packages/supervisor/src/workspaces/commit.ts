/**
 * Commits everything that lies in the workspace. Invariants: done twice, it commits once, since the commit carries
 * `Corral-Execution: <id>`; a hook that fails is passed by, since the work must not be lost to it.
 */
import type { FinalizationData, FinalizeParams } from '@corral/protocol'
import { type Git, line } from './git.ts'

/** False when there is work that could not be committed: pushing without it would be misleading. */
export async function commitAll(options: {
  git: Git
  params: Pick<FinalizeParams, 'executionId' | 'timeouts'>
  branch: string
  /** Asked once everything is staged. */
  message(): Promise<string>
  emit(data: FinalizationData): void
  signal: AbortSignal
}): Promise<boolean> {
  const { git, params, branch, emit, signal } = options
  const bounds = { timeoutMs: params.timeouts.stepMs, signal }
  const trailer = `Corral-Execution: ${params.executionId}`
  const failed = (message: string) => {
    emit({ kind: 'commit', success: false, branch, message, pushStatus: 'not_attempted' })
    return false
  }

  const status = await git(['status', '--porcelain'], bounds)
  if (status.code !== 0) return failed('git could not tell what has changed.')
  if (status.stdout === '') {
    const mine = await line(git, ['log', '-50', '--format=%H', '--fixed-strings', `--grep=${trailer}`], bounds)
    const hash = mine?.split('\n')[0]
    if (hash) emit(await committed(hash))
    else emit({ kind: 'commit', success: true, skipped: 'clean_tree', branch })
    return true
  }

  if ((await git(['add', '--all'], bounds)).code !== 0) return failed('The changes could not be staged.')
  const input = `${(await options.message()).trim()}\n\n${trailer}\n`
  const args = ['-c', 'commit.gpgSign=false', 'commit', '--quiet', '--file=-']
  const end = await git(args, { ...bounds, input })
  // The usual cause is a hook.
  if (end.code !== 0 && (await git([...args, '--no-verify'], { ...bounds, input })).code !== 0)
    return failed('The commit could not be made.')
  emit(await committed('HEAD'))
  return true

  async function committed(revision: string): Promise<FinalizationData> {
    const found = await line(git, ['log', '-1', '--format=%H %s', revision], bounds)
    const [commitHash, ...subject] = found?.split(' ') ?? []
    return { kind: 'commit', success: true, branch, commitHash, commitMessage: subject.join(' ') || undefined }
  }
}
