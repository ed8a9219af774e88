/** Where a workspace stands: its branch (`null` when detached), its head (`null` without a commit), its diff. */
import type { UpData } from '@corral/protocol'
import { readDiff } from './diff.ts'
import { type Git, line } from './git.ts'

const boundMs = 5_000

export type WorkspaceSummary = NonNullable<UpData['outcome']['workspace']>

export async function readSummary(git: Git, workspacePath: string, base: string): Promise<WorkspaceSummary> {
  const [branch, head, diff] = await Promise.all([
    line(git, ['symbolic-ref', '--short', '--quiet', 'HEAD'], { timeoutMs: boundMs }),
    line(git, ['rev-parse', '--verify', '--quiet', 'HEAD'], { timeoutMs: boundMs }),
    readDiff(git, workspacePath, base),
  ])
  return { branch, head, diff }
}
