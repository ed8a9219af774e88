/**
 * What runs in this sandbox, by one look at /proc, and who each of them is: an agent, or something that an agent or the
 * supervisor has started. Invariant: neither the supervisor nor the sandbox's process 1 is ever in the table, so whoever
 * chooses from it cannot choose them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type SessionId, sessionIdSchema } from '@corral/protocol'
import { errorCode } from '../host/errorCode.ts'

export type Entry = {
  pid: number
  parent: number
  group: number
  /** With the pid, one process for ever. */
  startTicks: string
  /** Its first 15 characters. */
  program: string
  threads: number
  residentBytes: number
  /**
   * Agents are the supervisor's own children with their session's mark, shells the programs of ours by which they start
   * tools; everything else is a tool.
   */
  role: 'agent' | 'shell' | 'tool'
}

const pageBytes = 4096

export const nameOf = ({ pid, startTicks }: Entry): string => `${pid}:${startTicks}`

/**
 * @param alone whether every process that can be seen is of this sandbox; otherwise only those that descend from this one.
 * @param toolShell the program that only agents start, and only for their tools' shells.
 */
export function readTable({ alone, toolShell }: { alone: boolean; toolShell: string }): Entry[] {
  const found = readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    return Number.isInteger(pid) && pid > 1 && pid !== process.pid ? (readEntry(pid) ?? []) : []
  })
  const ours = alone ? found : descendants(found)
  const agents = new Set(ours.flatMap(({ pid, role }) => (role === 'agent' ? [pid] : [])))
  return ours.map((entry) =>
    agents.has(entry.parent) && readIfThere(`${entry.pid}/cmdline`).split('\0')[1] === toolShell
      ? { ...entry, role: 'shell' }
      : entry,
  )
}

/** proc_pid_stat(5): the program's name stands in brackets and may itself hold spaces and brackets. */
function readEntry(pid: number): Entry | undefined {
  const stat = readIfThere(`${pid}/stat`)
  const end = stat.lastIndexOf(')')
  const fields = stat.slice(end + 2).split(' ')
  const [state, parent, group] = fields
  const [threads, startTicks, pages] = [fields[17], fields[19], fields[21]]
  if (!state || 'ZX'.includes(state) || startTicks === undefined) return undefined
  const ownChild = Number(parent) === process.pid
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    startTicks,
    program: stat.slice(stat.indexOf('(') + 1, end),
    threads: Number(threads),
    residentBytes: Number(pages) * pageBytes,
    role: ownChild && readIfThere(`${pid}/environ`).includes('CORRAL_AGENT=') ? 'agent' : 'tool',
  }
}

function descendants(found: Entry[]): Entry[] {
  const ours = new Set([process.pid])
  for (let before = 0; before !== ours.size; ) {
    before = ours.size
    for (const { pid, parent } of found) if (ours.has(parent)) ours.add(pid)
  }
  return found.filter(({ pid }) => ours.has(pid))
}

/** Memory of its own, each page that several share counted once among them; undefined where the kernel does not say. */
export function exactBytes({ pid }: Entry): number | undefined {
  const rollup = readIfThere(`${pid}/smaps_rollup`)
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1] ?? Number.NaN)
  const bytes = (kib('Pss_Anon') + kib('Pss_Shmem')) * 1024
  return Number.isNaN(bytes) ? undefined : bytes
}

/** What it has written to disks since it began, with its children that have ended. */
export const writtenBytes = ({ pid }: Entry): number =>
  Number(/^write_bytes: (\d+)$/m.exec(readIfThere(`${pid}/io`))?.[1] ?? 0)

/** Whose work it is, told by its environment, or by that of the nearest ancestor which has one. */
export function sessionOf(entry: Entry, table: readonly Entry[]): SessionId | undefined {
  for (let at: Entry | undefined = entry; at; ) {
    const named = /(?:^|\0)SESSION_ID=([^\0]+)/.exec(readIfThere(`${at.pid}/environ`))?.[1]
    const session = sessionIdSchema.safeParse(named).data
    if (session) return session
    const { parent }: Entry = at
    at = table.find(({ pid }) => pid === parent)
  }
  return undefined
}

/** The kernel ends the highest first when memory is short; everybody may raise it, and nobody here may lower it. */
export function raiseOomScore({ pid }: Entry, score: number): void {
  if (Number(readIfThere(`${pid}/oom_score_adj`) || score) >= score) return
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, `${score}`)
  } catch (error) {
    if (!isGone(error)) throw error
  }
}

/** Empty for a process that is gone meanwhile or belongs to somebody else. */
function readIfThere(file: string): string {
  try {
    return readFileSync(`/proc/${file}`, 'latin1')
  } catch (error) {
    if (isGone(error)) return ''
    throw error
  }
}

const isGone = (error: unknown): boolean => ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')
