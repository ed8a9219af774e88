// The processes of a sandbox as the host sees them: those in its process namespace, which the sandbox names itself.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { hasCode } from '../../host/systemError.ts'
import type { Guest } from './world.ts'

/** The sandbox's processes, and a way to look for them again when it cannot be asked any more. */
export async function hostProcessesOf(guest: Guest): Promise<number[]> {
  return processesIn(await guest.read('readlink', '/proc/self/ns/pid'))
}

export const processesIn = (namespace: string): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && ifAllowed(() => readlinkSync(`/proc/${pid}/ns/pid`)) === namespace)

export const readIfAllowed = (path: string): string => ifAllowed(() => readFileSync(path, 'latin1'))

/** Empty for what has ended meanwhile or belongs to another user. */
function ifAllowed(read: () => string): string {
  try {
    return read()
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return ''
    throw error
  }
}
