/**
 * How much disk the sandbox takes. Counting its files is dear, so they are counted only when so much was written since the
 * last count, or the file system has lost so much room, that the limit may have been passed; and now and then, since
 * others make room meanwhile and writers that end at once are not seen. Invariant: above the limit, or when the host
 * itself runs out of room, whoever writes is named; whoever deletes never is, so that room can be made.
 */
import { statfsSync } from 'node:fs'
import { run } from '../host/run.ts'
import { type Entry, nameOf, writtenBytes } from './processTable.ts'

export type DiskPressure = { what: 'sandbox'; usedBytes: number } | { what: 'host'; freeBytes: number }

/** Who has written most since the last look, and how much. */
export type Writer = { entry: Entry; bytes: number }

/** What others on this host, such as the database of the server, must always find free. */
const hostReserveBytes = 1024 ** 3
const countTimeoutMs = 120_000
/** In any case again after a minute, or after so much more time than it takes. */
const rarely = { ms: 60_000, share: 300 }
/** A start has better things to do than to count what is there already. */
const firstCountMs = 60_000
/** Counting takes at most this part of the time. */
const countingShare = 5
/** Less is not what fills a disk. */
const worthBytes = 1024 ** 2
/** An agent keeps books of its work, also of one that makes room. */
const booksBytes = 64 * 1024 ** 2

export function createDiskMeter(options: {
  limitBytes: number
  folders: readonly string[]
  environment: Record<string, string>
  failed(why: string): void
}) {
  const { limitBytes, folders } = options
  const beganAtMs = performance.now()
  const freeAtStart = freeOf(folders[0] ?? '/')
  let counted: { usedBytes: number; freeBytes: number; atMs: number; tookMs: number } | null = null
  let counting = false
  let written = new Map<string, number>()
  let writtenSinceCount = 0

  async function count(freeBytes: number): Promise<number> {
    counting = true
    writtenSinceCount = 0
    const beganMs = performance.now()
    const { code, stdout, stderr } = await run({
      command: 'nice',
      args: ['-n', '10', 'du', '--summarize', '--one-file-system', '--block-size=1', ...folders],
      cwd: '/',
      environment: options.environment,
      timeoutMs: countTimeoutMs,
    })
    counting = false
    const sizes = stdout.split('\n').flatMap((line) => /^(\d+)\t/.exec(line)?.[1] ?? [])
    // Files that went away meanwhile make it end with 1, though its sums are right.
    const known = sizes.length === folders.length
    if (!known) options.failed(`du ended with ${code}: ${stderr.slice(0, 300)}`)
    const usedBytes = known ? sizes.reduce((sum, size) => sum + Number(size), 0) : (counted?.usedBytes ?? 0)
    counted = { usedBytes, freeBytes, atMs: performance.now(), tookMs: performance.now() - beganMs }
    return usedBytes
  }

  function isDue(freeBytes: number): boolean {
    const nowMs = performance.now()
    const grownBytes = Math.max(writtenSinceCount, (counted?.freeBytes ?? freeAtStart) - freeBytes)
    if (!counted) return nowMs - beganAtMs > firstCountMs || grownBytes > limitBytes / 8
    const { usedBytes, atMs, tookMs } = counted
    const ageMs = nowMs - atMs
    if (usedBytes + grownBytes > limitBytes) return ageMs > tookMs * countingShare
    return ageMs > Math.max(rarely.ms, tookMs * rarely.share)
  }

  return {
    /** What presses, as it is now; `unknown` when there was no reason to look more closely. */
    async look(): Promise<DiskPressure | null | 'unknown'> {
      const freeBytes = freeOf(folders[0] ?? '/')
      if (freeBytes < hostReserveBytes) return { what: 'host', freeBytes }
      if (counting || !isDue(freeBytes)) return 'unknown'
      const usedBytes = await count(freeBytes)
      return usedBytes > limitBytes ? { what: 'sandbox', usedBytes } : null
    },

    /** To be asked before every look, since it compares with the time before. */
    writer(table: readonly Entry[]): Writer | null {
      const now = new Map(table.map((entry) => [nameOf(entry), writtenBytes(entry)]))
      const changes = table
        .map((entry) => ({ entry, bytes: (now.get(nameOf(entry)) ?? 0) - (written.get(nameOf(entry)) ?? 0) }))
        .toSorted((a, b) => b.bytes - a.bytes)
      written = now
      writtenSinceCount += changes.reduce((sum, { bytes }) => sum + bytes, 0)
      const least = (role: Entry['role']) => (role === 'agent' ? Math.min(booksBytes, limitBytes / 32) : worthBytes)
      return changes.find(({ entry, bytes }) => bytes >= least(entry.role)) ?? null
    },
  }
}

function freeOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
