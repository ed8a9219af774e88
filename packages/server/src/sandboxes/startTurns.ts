/**
 * How many sandboxes start now: each takes most of a core until its supervisor has dialed. Invariant: one that hangs keeps
 * its turn for a while only, and one that has it does not have to ask again.
 */
import type { SandboxId } from '@corral/protocol'

export type StartTurns = {
  /** False when so many start already that this one has to ask again. */
  take(id: SandboxId): boolean
  /** It is connected, or its start is over. */
  end(id: SandboxId): void
}

/** A sandbox is connected within a fraction of this, also on a busy host. */
const longestMs = 10_000

export function createStartTurns({ atOnce, now }: { atOnce: number; now(): number }): StartTurns {
  const begun = new Map<SandboxId, number>()
  return {
    take(id) {
      for (const [other, sinceMs] of begun) if (now() - sinceMs > longestMs) begun.delete(other)
      if (begun.has(id)) return true
      if (begun.size >= atOnce) return false
      begun.set(id, now())
      return true
    },
    end: (id) => void begun.delete(id),
  }
}
