/**
 * Removes a folder with all that is in it, by coreutils: an agent may have made it deeper than a path may be long, or
 * closed folders to itself (Go's module cache is so), which are opened first. No link is followed.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { errorText } from './errorCode.ts'

const run = promisify(execFile)

export async function removeTree(path: string): Promise<void> {
  const remove = () => run('rm', ['-rf', '--', path])
  await remove().catch(async (refused: unknown) => {
    await run('chmod', ['-R', 'u+rwX', '--', path]).catch(() => {
      throw new Error(`${path} cannot be removed: ${errorText(refused)}`)
    })
    await remove()
  })
}
