/**
 * Keeps the sandbox within its limits, whether or not the kernel does, and says so in the log of whoever's work it was.
 * Invariants: the supervisor and process 1 are never ended; an agent is ended only when no tool's end would help, and
 * then its death has a reason; after every relief the next look comes soon, so nothing is ended that need not be.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BootFile, LimitReason, SessionId } from '@corral/protocol'
import { errorText, isMissing } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
import { removeTree } from '../host/removeTree.ts'
import { chooseByMemory, chooseByNumber, type Victims } from './choose.ts'
import { createDiskMeter, type DiskPressure, type Writer } from './disk.ts'
import { endAll } from './endAll.ts'
import { createMemoryMeter } from './memory.ts'
import { oomScores } from './oomScores.ts'
import { type Entry, nameOf, raiseOomScore, readTable, sessionOf } from './processTable.ts'

export type WatchOptions = {
  limits: BootFile['limits']
  /** Whether every process that can be seen is of this sandbox. */
  alone: boolean
  /** The program that stands between an agent and its tools' shells (`agents/shell.ts`). */
  toolShell: string
  /** What counts as disk. */
  folders: readonly string[]
  temporaryFolders: readonly string[]
  /** Where the kernel counts whom it has ended for want of memory; it need not be there. */
  memoryKillsFile: string
  environment: Record<string, string>
  /** Whether work is under way. */
  busy(): boolean
  /** Null: every session that works. */
  tell(session: SessionId | null, message: string, reason: LimitReason): void
  /** Whoever works does so no longer: the agent itself fills the disk. */
  failDiskFull(session: SessionId | null): void
  log: Log
}

export type Watch = {
  /** Looks at once: work begins, or is about to end, and what happened in it belongs to it. */
  look(): void
  /** Whether the session's agent, which has just died, did so for want of memory. */
  diedOfMemory(session: SessionId): boolean
  close(): void
}

const busyMs = 250
const idleMs = 2_000
const afterReliefMs = 50
/** Whoever has not gone by then is not waited for. */
const dyingMs = 2_000
const diskMs = 1_000
/** An agent's death within this time of an end for memory is put down to it. */
const recentMs = 3_000

export function watchLimits(options: WatchOptions): Watch {
  const { limits, log } = options
  const memory = createMemoryMeter({ limitBytes: limits.memoryBytes, temporaryFolders: options.temporaryFolders })
  const disk = createDiskMeter({
    limitBytes: limits.diskBytes,
    folders: options.folders,
    environment: options.environment,
    failed: (why) => log('warn', 'the disk of the sandbox could not be counted', { why }),
  })
  const scored = new Set<string>()
  const ended = new Map<SessionId, number>()
  /** Ended and perhaps not gone yet: since when. */
  const dying = new Map<string, number>()
  let kills = readKills(options.memoryKillsFile)
  let killedAtMs = Number.NEGATIVE_INFINITY
  let diskAtMs = Number.NEGATIVE_INFINITY
  let toldOfDisk = false
  /** Null: closed. */
  let timer: NodeJS.Timeout | null = setTimeout(look, busyMs)
  // Its threads are made at their first use, which must not be when there may be no more of them.
  void readFile('/proc/self/stat')

  function look(): void {
    if (timer === null) return
    clearTimeout(timer)
    let relieved = false
    try {
      relieved = lookOnce()
    } catch (error) {
      log('error', 'the limits could not be looked at', { error: errorText(error) })
    }
    timer = setTimeout(look, relieved ? afterReliefMs : options.busy() ? busyMs : idleMs)
  }

  function lookOnce(): boolean {
    noticeKills()
    const table = readTable(options)
    score(table)
    if (someDie(table)) return true
    lookAtDisk(table)
    return relieveNumber(table) || relieveMemory(table)
  }

  /** Tools are what the kernel ends first, then agents, then the supervisor. */
  function score(table: readonly Entry[]): void {
    for (const entry of table) {
      if (!scored.has(nameOf(entry))) raiseOomScore(entry, oomScores[entry.role === 'agent' ? 'agent' : 'tool'])
    }
    scored.clear()
    for (const entry of table) scored.add(nameOf(entry))
  }

  /** What they take is given back only when they are gone, which may take a moment. */
  function someDie(table: readonly Entry[]): boolean {
    const names = new Set(table.map(nameOf))
    for (const [name, sinceMs] of dying)
      if (!names.has(name) || performance.now() - sinceMs > dyingMs) dying.delete(name)
    return dying.size > 0
  }

  function end(victims: readonly [Entry, ...Entry[]]): void {
    for (const entry of endAll(victims, () => readTable(options))) dying.set(nameOf(entry), performance.now())
  }

  function noticeKills(): void {
    const now = readKills(options.memoryKillsFile)
    if (now === kills) return
    kills = now
    killedAtMs = performance.now()
    options.tell(
      null,
      `The sandbox ran out of memory (${size(limits.memoryBytes)}); the system ended a program in it.`,
      'out_of_memory',
    )
  }

  function relieveNumber(table: Entry[]): boolean {
    const victims = chooseByNumber(table, limits.processes)
    if (!victims) return false
    const session = sessionOf(victims.entries[0], table)
    end(victims.entries)
    options.tell(
      session ?? null,
      `The sandbox reached its limit of ${limits.processes} processes. ${named(victims)} had ${victims.amount} and was ended.`,
      'too_many_processes',
    )
    return true
  }

  function relieveMemory(table: Entry[]): boolean {
    const use = memory.look(table, performance.now())
    const victims = use && chooseByMemory(use.table, limits.memoryBytes)
    if (!use || !victims) return false
    const session = sessionOf(victims.entries[0], table)
    if (victims.kind === 'agent' && session) ended.set(session, performance.now())
    end(victims.entries)
    // Nobody is left who could empty them.
    const emptied = victims.kind === 'agent' && use.temporaryBytes > limits.memoryBytes / 4
    if (emptied) for (const folder of options.temporaryFolders) empty(folder)
    const also = emptied ? ' Temporary files, which are memory, too, were removed.' : ''
    options.tell(
      session ?? null,
      `The sandbox ran out of memory (${size(limits.memoryBytes)}). ${named(victims)} had ${size(victims.amount)} and was ended.${also}`,
      'out_of_memory',
    )
    return true
  }

  function lookAtDisk(table: Entry[]): void {
    const nowMs = performance.now()
    if (nowMs - diskAtMs < diskMs) return
    diskAtMs = nowMs
    const writer = disk.writer(table)
    disk.look().then(
      (pressure) => {
        if (pressure === null) toldOfDisk = false
        else if (pressure !== 'unknown') relieveDisk(pressure, writer, table)
      },
      (error: unknown) => log('error', 'the disk could not be looked at', { error: errorText(error) }),
    )
  }

  /** Nobody writes: then it is told once, for whoever wonders later. */
  function relieveDisk(pressure: DiskPressure, writer: Writer | null, table: Entry[]): void {
    if (!writer) {
      if (!toldOfDisk) options.tell(null, `${describe(pressure)} ${remedy}`, 'disk_full')
      toldOfDisk = true
      return
    }
    toldOfDisk = true
    const session = sessionOf(writer.entry, table) ?? null
    const { program, group, role } = writer.entry
    const who = role === 'agent' ? 'The agent' : `The tool "${program}"`
    options.tell(session, `${describe(pressure)} ${who} was writing and was ended. ${remedy}`, 'disk_full')
    if (role === 'agent') options.failDiskFull(session)
    else end([writer.entry, ...readTable(options).filter((it) => it.role === 'tool' && it.group === group)])
  }

  const describe = (pressure: DiskPressure): string =>
    pressure.what === 'sandbox'
      ? `The sandbox holds ${size(pressure.usedBytes)} of files, and its limit is ${size(limits.diskBytes)}.`
      : `Only ${size(pressure.freeBytes)} are left on the disk of the host.`

  return {
    look,
    diedOfMemory(session) {
      noticeKills()
      const nowMs = performance.now()
      return nowMs - Math.max(ended.get(session) ?? Number.NEGATIVE_INFINITY, killedAtMs) < recentMs
    },
    close() {
      if (timer !== null) clearTimeout(timer)
      timer = null
    },
  }
}

const remedy = 'Have files deleted by a message to the agent, or delete the session.'

const named = ({ kind, entries }: Victims): string => {
  if (kind === 'agent') return 'The agent'
  const programs = [...new Set(entries.map(({ program }) => program))].slice(0, 3).join(', ')
  return `The tool "${programs}"`
}

const MiB = 1024 ** 2

const size = (bytes: number): string =>
  bytes < 1024 * MiB ? `${Math.round(bytes / MiB)} MiB` : `${(bytes / (1024 * MiB)).toFixed(1)} GiB`

/** 0 where the driver cannot show it. */
function readKills(file: string): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 0)
  } catch (error) {
    if (isMissing(error)) return 0
    throw error
  }
}

function empty(folder: string): void {
  for (const name of readdirSync(folder)) removeTree(join(folder, name))
}
