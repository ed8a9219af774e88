/**
 * Ends processes that may be multiplying meanwhile. Invariant: nobody is ended before everybody who could start another
 * one has been stopped; whoever appears in the groups of those that were named is one of them.
 */
import { kill } from '../host/processes.ts'
import type { Entry } from './processTable.ts'

const mostRounds = 20

/** @param table what runs now; asked again until nobody new has appeared. */
export function endAll(victims: readonly [Entry, ...Entry[]], table: () => readonly Entry[]): Entry[] {
  const groups = new Set(victims.map(({ group }) => group))
  const stopped = new Map(victims.map((entry) => [entry.pid, entry]))
  if (victims.length > 1) {
    for (const { pid } of victims) kill(pid, 'SIGSTOP')
    for (let round = 0; round < mostRounds; round++) {
      const born = table().filter(({ pid, group, role }) => role === 'tool' && groups.has(group) && !stopped.has(pid))
      if (born.length === 0) break
      for (const entry of born) {
        kill(entry.pid, 'SIGSTOP')
        stopped.set(entry.pid, entry)
      }
    }
  }
  for (const pid of stopped.keys()) kill(pid)
  return [...stopped.values()]
}
