/** Removes a folder that an agent has filled, also where it closed folders to itself, as caches of modules do. Follows no link. */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { errorCode } from './errorCode.ts'

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
