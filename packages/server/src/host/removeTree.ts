// Removes a folder that somebody else has filled. Invariants: no link in it is followed; no depth, name or mode of what lies
// in it keeps it. By coreutils, which go down folder by folder: a whole path may be longer than the kernel takes at once.
import { execFile } from 'node:child_process'
import { lstat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { hasCode } from './systemError.ts'

const run = promisify(execFile)

const timeoutMs = 10 * 60_000

/** When `signal` aborts, it throws, and what is left can be removed another time. */
export async function removeTree(path: string, signal?: AbortSignal): Promise<void> {
  const bounds = { timeout: timeoutMs, ...(signal && { signal }) }
  try {
    await run('rm', ['-rf', '--', path], bounds)
  } catch (error) {
    signal?.throwIfAborted()
    if (!(await exists(path))) return
    // Folders without permissions stop everybody but root.
    await run('chmod', ['-R', 'u+rwX', '--', path], bounds).catch(() => {
      throw error
    })
    await run('rm', ['-rf', '--', path], bounds)
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}
