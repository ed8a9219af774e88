/**
 * Every process that works for a session carries `SESSION_ID=<session>` in its environment, and its children inherit
 * it wherever they move to: agents start their tools in process groups of their own, so a group alone is not enough.
 * Invariant: `endProcesses` ends exactly the processes of that session (and the groups that they lead or are in),
 * also those whose parent died with an earlier supervisor, and never this one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode } from './errorCode.ts'

const lookAgainMs = 20
const giveUpAfterMs = 5_000

/** Resolves when none is left, or after 5 s with the number of those that could not be ended. */
export async function endProcesses(session: string): Promise<number> {
  const deadline = performance.now() + giveUpAfterMs
  for (;;) {
    const alive = processesOf(session)
    if (alive.length === 0 || performance.now() > deadline) return alive.length
    for (const { pid, group } of alive) {
      if (group > 1 && group !== ownGroup()) kill(-group)
      kill(pid)
    }
    await delay(lookAgainMs)
  }
}

type Found = { pid: number; group: number }

export function processesOf(session: string): Found[] {
  const marker = `SESSION_ID=${session}`
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) return []
    if (!readProc(pid, 'environ').split('\0').includes(marker)) return []
    const stat = statOf(pid)
    return stat && stat.state !== 'Z' ? [{ pid, group: stat.group }] : []
  })
}

/** Fields after the command's name, which may itself hold spaces and brackets (proc_pid_stat(5)). */
function statOf(pid: number): { state: string; group: number } | undefined {
  const text = readProc(pid, 'stat')
  const [state, , group] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return state && group ? { state, group: Number(group) } : undefined
}

const ownGroup = (): number | undefined => statOf(process.pid)?.group

/** Empty for a process that is gone meanwhile or belongs to somebody else. */
function readProc(pid: number, file: 'environ' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) return ''
    throw error
  }
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (errorCode(error) !== 'ESRCH' && errorCode(error) !== 'EPERM') throw error
  }
}
