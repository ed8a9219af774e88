/**
 * How much memory the sandbox takes: its processes and its temporary folders, which are memory, too. Invariant: what
 * processes share is counted once before anybody is ended for it; reading that is dear, so it is read only when the
 * simple sum is above the limit.
 */
import { statfsSync } from 'node:fs'
import type { Weighed } from './choose.ts'
import { type Entry, exactBytes } from './processTable.ts'

export type MemoryUse = { usedBytes: number; temporaryBytes: number; table: Weighed[] }

const exactAgainMs = 1_000

export function createMemoryMeter(options: { limitBytes: number; temporaryFolders: readonly string[] }) {
  const { limitBytes, temporaryFolders } = options
  /** The last exact look that found less than the limit. */
  let cleared = { atMs: Number.NEGATIVE_INFINITY, sumBytes: 0, usedBytes: 0 }

  return {
    /** Null as long as it is surely below the limit. */
    look(table: readonly Entry[], nowMs: number): MemoryUse | null {
      const temporary = temporaryFolders.reduce((sum, folder) => sum + usedBytes(folder), 0)
      const simple = table.map((entry) => ({ ...entry, bytes: entry.residentBytes }))
      const sumBytes = sum(simple) + temporary
      if (sumBytes <= limitBytes) return null
      // Since then at most the growth of the simple sum has come on top, but for pages that were shared and are no more.
      const most = cleared.usedBytes + Math.max(0, sumBytes - cleared.sumBytes)
      if (nowMs - cleared.atMs < exactAgainMs && most <= limitBytes) return null
      const exact = table.map((entry) => ({ ...entry, bytes: exactBytes(entry) ?? entry.residentBytes }))
      const use = { usedBytes: sum(exact) + temporary, temporaryBytes: temporary, table: exact }
      if (use.usedBytes > limitBytes) return use
      cleared = { atMs: nowMs, sumBytes, usedBytes: use.usedBytes }
      return null
    },
  }
}

const sum = (table: readonly Weighed[]): number => table.reduce((total, { bytes }) => total + bytes, 0)

function usedBytes(folder: string): number {
  const { blocks, bfree, bsize } = statfsSync(folder)
  return (blocks - bfree) * bsize
}
