/**
 * Who has to go when a sandbox takes more than it may: pure. Invariants: tools go before agents, and only whoever's end
 * gives back something worth it; an agent goes only when no tool does.
 */
import type { Entry } from './processTable.ts'

export type Weighed = Entry & { bytes: number }

export type Victims = {
  kind: 'tool' | 'agent'
  entries: [Entry, ...Entry[]]
  /** What their end gives back: bytes, or processes. */
  amount: number
}

/** Ending less than this part of the limit would not help. */
const worthOf = 32
/** As many processes of one group are one tool that multiplies. */
const multitudeOf = 4
/** Above this part of the limit, what runs can hardly start anything any more. */
const crowded = 0.9
/** Process 1, what it has started, and the supervisor's threads, which are in no table but count for the kernel. */
const ours = 16

/** The largest tool; if all are small, the group with the largest sum; if that is small, too, the largest agent. */
export function chooseByMemory(table: readonly Weighed[], limitBytes: number): Victims | null {
  const worth = limitBytes / worthOf
  const tools = table.filter(({ role }) => role === 'tool')
  const [largest] = tools.toSorted((a, b) => b.bytes - a.bytes)
  if (largest && largest.bytes >= worth) return { kind: 'tool', entries: [largest], amount: largest.bytes }
  const group = largestGroup(tools, ({ bytes }) => bytes)
  if (group && group.amount >= worth) return { kind: 'tool', ...group }
  const [agent] = table.filter(({ role }) => role === 'agent').toSorted((a, b) => b.bytes - a.bytes)
  return agent ? { kind: 'agent', entries: [agent], amount: agent.bytes } : null
}

/** The largest group, if it alone is a multitude; otherwise every tool. */
export function chooseByNumber(table: readonly Entry[], limit: number): Victims | null {
  const threads = (entries: readonly Entry[]) => entries.reduce((sum, entry) => sum + entry.threads, 0)
  if (threads(table) < limit * crowded - ours) return null
  const tools = table.filter(({ role }) => role === 'tool')
  const group = largestGroup(tools, (entry) => entry.threads)
  if (group && group.amount >= limit / multitudeOf) return { kind: 'tool', ...group }
  const [first, ...others] = tools
  return first ? { kind: 'tool', entries: [first, ...others], amount: threads(tools) } : null
}

type Group<E extends Entry> = { entries: [E, ...E[]]; amount: number }

function largestGroup<E extends Entry>(tools: readonly E[], amountOf: (entry: E) => number): Group<E> | undefined {
  const groups = new Map<number, Group<E>>()
  for (const entry of tools) {
    const group = groups.get(entry.group)
    if (!group) groups.set(entry.group, { entries: [entry], amount: amountOf(entry) })
    else {
      group.entries.push(entry)
      group.amount += amountOf(entry)
    }
  }
  return [...groups.values()].toSorted((a, b) => b.amount - a.amount)[0]
}
