/**
 * The lock files of a git that was killed in the middle of its work: every later git in the workspace would refuse, and
 * nobody else removes them. Invariant: none is removed while a git of the session runs.
 */
import { globSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { processesWith } from '../host/processes.ts'

/** `mark`: what the processes of the session carry. */
export function removeAbandonedLocks(workspacePath: string, mark: string): void {
  const folder = join(workspacePath, '.git')
  const locks = globSync(['*.lock', 'refs/**/*.lock'], { cwd: folder })
  if (locks.length === 0 || processesWith(mark).some(({ program }) => program.startsWith('git'))) return
  for (const lock of locks) rmSync(join(folder, lock), { force: true })
}
