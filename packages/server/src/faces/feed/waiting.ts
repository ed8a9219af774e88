/**
 * What one consumer of the feed has yet to be told: pure but for its own memory. Invariants: of each session the last
 * state alone waits; that a session came to be says more than that it changed, and that more than that its status did;
 * past 1,000 sessions nothing waits but that everything is to be read again.
 */
import type { SessionId } from '@corral/protocol'
import type { SessionChange } from '../../database/changes.ts'

export type Kind = SessionChange['kind']
export type Taken = { kind: 'resync' } | { kind: 'changes'; changes: ReadonlyMap<SessionId, Kind> }

const mostSessions = 1_000
const says: Record<Kind, number> = { status: 0, updated: 1, created: 2 }

export function createWaiting() {
  let changes = new Map<SessionId, Kind>()
  let resync = false

  return {
    add(session: SessionId, kind: Kind): void {
      if (resync) return
      const before = changes.get(session)
      if (before === undefined || says[kind] > says[before]) changes.set(session, kind)
      if (changes.size > mostSessions) this.overflow()
    },
    overflow(): void {
      changes = new Map()
      resync = true
    },
    isEmpty: () => !resync && changes.size === 0,
    take(): Taken {
      const taken: Taken = resync ? { kind: 'resync' } : { kind: 'changes', changes }
      changes = new Map()
      resync = false
      return taken
    },
  }
}
