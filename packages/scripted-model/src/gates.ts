/**
 * Gates hold streams until a test releases them. A gate is closed until its release and open from then on, so a stream
 * that arrives after the release passes: neither side has to be first. A stream that goes away stops waiting.
 */
import type { GateState } from './controlSchema.ts'

export type Gates = ReturnType<typeof createGates>

type Waiter = { since: string; letPass: () => void }
type Gate = { released: boolean; waiters: Set<Waiter>; watchers: Set<() => void> }

export const createGates = () => {
  const gates = new Map<string, Gate>()

  const gateOf = (name: string): Gate => {
    const known = gates.get(name)
    if (known) return known
    const gate: Gate = { released: false, waiters: new Set(), watchers: new Set() }
    gates.set(name, gate)
    return gate
  }

  const stateOf = (name: string): GateState => {
    const gate = gates.get(name)
    const waiters = [...(gate?.waiters ?? [])]
    return { name, released: gate?.released ?? false, waiting: waiters.length, waitingSince: waiters[0]?.since ?? null }
  }

  const open = (gate: Gate): void => {
    for (const waiter of gate.waiters) waiter.letPass()
  }

  return {
    stateOf,

    list: (): GateState[] => [...gates.keys()].map(stateOf),

    /** Resolves when the gate is open; rejects with the signal's reason when the stream goes away first. */
    pass: async (name: string, signal: AbortSignal): Promise<void> => {
      const gate = gateOf(name)
      signal.throwIfAborted()
      if (gate.released) return
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiter: Waiter = { since: new Date().toISOString(), letPass: resolve }
      const giveUp = () => reject(signal.reason)
      gate.waiters.add(waiter)
      signal.addEventListener('abort', giveUp, { once: true })
      for (const arrived of gate.watchers) arrived()
      try {
        await promise
      } finally {
        signal.removeEventListener('abort', giveUp)
        gate.waiters.delete(waiter)
      }
    },

    release: (name: string): void => {
      const gate = gateOf(name)
      gate.released = true
      open(gate)
    },

    /** Answers as soon as a stream waits at the gate, and after `waitMs` in any case. */
    arrival: async (name: string, waitMs: number): Promise<GateState> => {
      const gate = gateOf(name)
      if (gate.waiters.size === 0 && waitMs > 0) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const timer = setTimeout(resolve, waitMs)
        gate.watchers.add(resolve)
        await promise
        clearTimeout(timer)
        gate.watchers.delete(resolve)
      }
      return stateOf(name)
    },

    /** Forgets every gate and lets through who waits, so that nothing is left hanging behind a test. */
    reset: (): void => {
      for (const gate of gates.values()) open(gate)
      gates.clear()
    },
  }
}
