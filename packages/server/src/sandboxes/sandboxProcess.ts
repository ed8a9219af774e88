// Finds and follows the process 1 of sandboxes in /proc. Invariants: a sandbox is alive as long as its process 1 is,
// whatever became of the program that made it; identity is what the kernel says, never what a process could write.
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { firstHostUser } from '../host/hostUser.ts'
import { hasCode } from '../host/systemError.ts'
import { type InitIdentity, parseInitPath } from './layout.ts'

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

/** Every sandbox that lives on this host and belongs to the data folder. */
export async function findSandboxes(mark: string): Promise<(InitIdentity & ProcessIdentity)[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger)
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (!isOurInit((await readProc(`${pid}/status`)) ?? '')) return []
      const init = parseMountPoints((await readProc(`${pid}/mountinfo`)) ?? '')
        .map(parseInitPath)
        .find((identity) => identity?.mark === mark)
      const identity = init && (await identifyProcess(pid))
      return identity ? [{ ...init, ...identity }] : []
    }),
  )
  return found.flat()
}

/** Process 1 of a process namespace directly below ours, under our own user or one that we gave out. */
function isOurInit(status: string): boolean {
  const ids = /^NSpid:\s+\d+\s+(\d+)$/m.exec(status)
  const user = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])
  return ids?.[1] === '1' && (user === process.geteuid?.() || user >= firstHostUser)
}

const parseMountPoints = (mountinfo: string): string[] => mountinfo.split('\n').map((line) => line.split(' ')[4] ?? '')

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
async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${path}`, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EINVAL')) return undefined
    throw error
  }
}
