/** What a puppet has said of each session, until it is acked; sent at once, and again when the server asks for it. */
import type { SessionId, UpEvent } from '@corral/protocol'

type Spool = { epoch: number; lastN: number; unacked: { n: number; event: UpEvent }[] }

export function createSpools(send: (session: SessionId, epoch: number, n: number, event: UpEvent) => void) {
  const spools = new Map<SessionId, Spool>()
  return {
    /** As a hello tells them. */
    all: () =>
      [...spools].map(([id, { epoch, lastN, unacked }]) => ({
        ...{ id, epoch, lastN },
        firstUnackedN: unacked[0]?.n ?? lastN + 1,
      })),
    open(session: SessionId, epoch: number, ackedN: number): void {
      const known = spools.get(session)
      const spool: Spool = known?.epoch === epoch ? known : { epoch, lastN: ackedN, unacked: [] }
      spool.unacked = spool.unacked.filter(({ n }) => n > ackedN)
      spools.set(session, spool)
      for (const { n, event } of spool.unacked) send(session, epoch, n, event)
    },
    add(session: SessionId, events: UpEvent[]): void {
      const spool = spools.get(session)
      if (!spool) return
      for (const event of events) {
        spool.lastN += 1
        spool.unacked.push({ n: spool.lastN, event })
        send(session, spool.epoch, spool.lastN, event)
      }
    },
    acked({ session, epoch, n }: { session: SessionId; epoch: number; n: number }): void {
      const spool = spools.get(session)
      if (spool?.epoch === epoch) spool.unacked = spool.unacked.filter((waiting) => waiting.n > n)
    },
    drop: (session: SessionId) => void spools.delete(session),
    clear: () => spools.clear(),
    /** Numbers that are not acked yet. */
    unacked: () => [...spools.values()].reduce((sum, { unacked }) => sum + unacked.length, 0),
  }
}
