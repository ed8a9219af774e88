// Which process it was, for processes that are not our children: what the kernel says and no process could write.
// Invariant: a process id that was given to another process, or that outlived a restart of the host, never matches.
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { hasCode } from './systemError.ts'

export type ProcessIdentity = { hostBootId: string; pid: number; startTicks: number }

/** `undefined` when there is no such process (any more). */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = parseStat((await readProc(`${pid}/stat`)) ?? '')
  return stat?.alive ? { hostBootId: await hostBootId(), pid, startTicks: stat.startTicks } : undefined
}

export async function processState(identity: ProcessIdentity): Promise<'running' | 'stopped'> {
  if (identity.hostBootId !== (await hostBootId())) return 'stopped'
  const stat = parseStat((await readProc(`${identity.pid}/stat`)) ?? '')
  return stat?.alive && stat.startTicks === identity.startTicks ? 'running' : 'stopped'
}

/** Whether it ended within the time. The kernel tells nobody but the parent, so this looks every 10 ms. */
export async function processEnded(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const until = performance.now() + timeoutMs
  while ((await processState(identity)) === 'running') {
    if (performance.now() >= until) return false
    await delay(10)
  }
  return true
}

/** The program's name, in parentheses, may hold anything; the fields follow its last parenthesis. */
export function parseStat(stat: string): { alive: boolean; startTicks: number } | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state = '', startTicks = ''] = [fields[0], fields[19]]
  return startTicks === '' ? undefined : { alive: !'ZX'.includes(state), startTicks: Number(startTicks) }
}

async function hostBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}

/** `undefined` for what has ended (ENOENT, ESRCH) or is ending and has given up its mounts already (EINVAL). */
export async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${path}`, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EINVAL')) return undefined
    throw error
  }
}
