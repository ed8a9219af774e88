/**
 * A session branch that others have pushed to meanwhile is brought up to date when its workspace is used again in a new
 * boot. Nothing is merged and nothing is lost: what is no fast-forward stays as it is, and is told as a warning.
 * (An upstream branch is checked out once and never pulled.)
 */
import type { Steps } from '../sessions/steps.ts'
import { type Git, line } from './git.ts'

const networkMs = 20_000
const localMs = 10_000

export async function fastForward(options: {
  git: Git
  branch: string
  steps: Pick<Steps, 'warn'>
  signal: AbortSignal
}): Promise<void> {
  const { git, branch, steps, signal } = options
  const local = { timeoutMs: localMs, signal }
  const current = await line(git, ['symbolic-ref', '--short', '--quiet', 'HEAD'], local)
  if (current !== branch) return
  const remote = `refs/remotes/origin/${branch}`
  const fetched = await git(['fetch', '--quiet', '--no-tags', 'origin', `+refs/heads/${branch}:${remote}`], {
    timeoutMs: networkMs,
    signal,
  })
  signal.throwIfAborted()
  if (/couldn't find remote ref/i.test(fetched.stderr)) return
  if (fetched.code !== 0) {
    return steps.warn(`Whether ${branch} has new commits could not be looked up; the work goes on from what is here.`)
  }
  // The repository's hooks have no part in this.
  const end = await git(['-c', 'core.hooksPath=/dev/null', 'merge', '--quiet', '--ff-only', remote], local)
  signal.throwIfAborted()
  if (end.code === 0) return
  steps.warn(`${branch} has commits on the remote that could not be taken over; the work goes on from what is here.`)
}
