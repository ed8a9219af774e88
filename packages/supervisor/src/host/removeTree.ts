/** Removes a folder that an agent has filled, also where it closed folders to itself, as caches of modules do. Follows no link. */
import { execFile, execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { errorCode, errorText } from './errorCode.ts'

const run = promisify(execFile)

const timeoutMs = 60_000

export function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOTEMPTY'].includes(errorCode(error) ?? '')) throw error
    execFileSync('chmod', ['-R', 'u+rwX', '--', path], { timeout: timeoutMs, stdio: 'ignore' })
    rmSync(path, { recursive: true, force: true })
  }
}

/** The same in processes of its own, so that others are not held up by a large one. */
export async function removeTreeAside(path: string): Promise<void> {
  const remove = () => run('rm', ['-rf', '--', path])
  await remove().catch(async (refused: unknown) => {
    await run('chmod', ['-R', 'u+rwX', '--', path]).catch(() => {
      throw new Error(`${path} cannot be removed: ${errorText(refused)}`)
    })
    await remove()
  })
}
