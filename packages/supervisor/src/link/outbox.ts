/**
 * Sends what the spools hold over one link. Invariants: the events of a session go out in the order of their epochs
 * and numbers, from what the welcome said was acked; no more than the window is unacked; what waits in the socket
 * stays small, so that heartbeats and answers never queue behind events.
 */
import { limits, type SessionId } from '@corral/protocol'
import type { SessionSpool } from '../spool/sessionSpool.ts'

const frameEvents = 250
const frameBytes = 256 * 1024

export type Outbox = {
  /** From now on this session's events are sent, each epoch from its first unacked event on. */
  open(session: SessionId): void
  drop(session: SessionId): void
  acked(session: SessionId, epoch: number, n: number): void
  /** Sends as much as the window and the socket take. */
  pump(): void
}

type Sent = { epoch: number; n: number; events: number; bytes: number }

export function createOutbox(options: {
  spool(session: SessionId): SessionSpool | undefined
  /** False when the socket holds enough; `pump` is called again when it has drained. */
  ready(): boolean
  send(frame: string): void
}): Outbox {
  /** Per session: what was sent of each epoch, and what of it is not acked yet. */
  const sessions = new Map<SessionId, { sentN: Map<number, number>; unacked: Sent[] }>()
  let events = 0
  let bytes = 0

  /** One frame of this session; false when it has nothing to send. */
  function sendOne(session: SessionId, state: { sentN: Map<number, number>; unacked: Sent[] }): boolean {
    for (const spool of options.spool(session)?.epochs() ?? []) {
      const next = Math.max(state.sentN.get(spool.epoch) ?? 0, spool.ackedN, spool.firstN - 1) + 1
      if (next > spool.lastN) continue
      const { from, payloads } = spool.read(next, {
        events: Math.min(frameEvents, limits.windowEvents - events),
        bytes: Math.min(frameBytes, limits.windowBytes - bytes),
      })
      if (payloads.length === 0) continue
      const n = from + payloads.length - 1
      const frame = `{"jsonrpc":"2.0","method":"events","params":{"session":${JSON.stringify(session)},"epoch":${spool.epoch},"from":${from},"events":[${payloads.join(',')}]}}`
      state.sentN.set(spool.epoch, n)
      state.unacked.push({ epoch: spool.epoch, n, events: payloads.length, bytes: frame.length })
      events += payloads.length
      bytes += frame.length
      options.send(frame)
      return true
    }
    return false
  }

  const hasRoom = () => events < limits.windowEvents && bytes < limits.windowBytes && options.ready()

  function pump(): void {
    // Round by round, one frame of each session, so that none waits for another's backlog.
    let sent = true
    while (sent) {
      sent = false
      for (const [session, state] of sessions) {
        if (!hasRoom()) return
        if (sendOne(session, state)) sent = true
      }
    }
  }

  return {
    open(session) {
      if (!sessions.has(session)) sessions.set(session, { sentN: new Map(), unacked: [] })
    },
    drop(session) {
      for (const sent of sessions.get(session)?.unacked ?? []) {
        events -= sent.events
        bytes -= sent.bytes
      }
      sessions.delete(session)
    },
    acked(session, epoch, n) {
      options.spool(session)?.ack(epoch, n)
      const state = sessions.get(session)
      if (!state) return
      state.unacked = state.unacked.filter((sent) => {
        if (sent.epoch !== epoch || sent.n > n) return true
        events -= sent.events
        bytes -= sent.bytes
        return false
      })
      pump()
    },
    pump,
  }
}
