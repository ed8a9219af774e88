/**
 * Every process that works for a session carries a mark in its environment, and its children inherit it wherever
 * they move to: agents start their tools in process groups of their own, so a group alone is not enough, and a pid in
 * a file may be somebody else's by now. Invariant: `endProcesses` ends exactly the processes with that mark (and the
 * groups that they are in), also those whose parent died with an earlier supervisor, and never this one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode } from './errorCode.ts'

const lookAgainMs = 20
const giveUpAfterMs = 5_000

/** Everything of a session: its git, its setup commands, its agent. */
export const sessionMark = (session: string): string => `SESSION_ID=${session}`
/** The session's agent, and the tools that it started. */
export const agentMark = (session: string): string => `CORRAL_AGENT=${session}`

/**
 * What reads a session's work for its checkpoint. It is none of the session's own: it holds no lock in the workspace, and
 * neither a turn nor its end waits for it.
 */
export const checkpointMark = (session: string): string => `CORRAL_CHECKPOINT=${session}`

/** Resolves when none is left, or after 5 s with the number of those that could not be ended. */
export async function endProcesses(mark: string): Promise<number> {
  const deadline = performance.now() + giveUpAfterMs
  for (;;) {
    const alive = processesWith(mark)
    if (alive.length === 0 || performance.now() > deadline) return alive.length
    for (const { pid, group } of alive) {
      if (group > 1 && group !== ownGroup()) kill(-group)
      kill(pid)
    }
    await delay(lookAgainMs)
  }
}

type Found = { pid: number; group: number /** Its first 15 characters. */; program: string }

export function processesWith(mark: string): Found[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) return []
    if (!readProc(pid, 'environ').split('\0').includes(mark)) return []
    const stat = statOf(pid)
    return stat && stat.state !== 'Z' ? [{ pid, group: stat.group, program: stat.program }] : []
  })
}

/** The program's name stands in brackets and may itself hold spaces and brackets (proc_pid_stat(5)). */
function statOf(pid: number): { state: string; group: number; program: string } | undefined {
  const text = readProc(pid, 'stat')
  const end = text.lastIndexOf(')')
  const [state, , group] = text.slice(end + 2).split(' ')
  return state && group ? { state, group: Number(group), program: text.slice(text.indexOf('(') + 1, end) } : undefined
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
