/**
 * Connections at a door that have not said who they are yet: everything in a sandbox can open as many as it likes.
 * Invariants: no more wait than there are places, and nobody waits longer than the bound. Who comes when all places are taken
 * gets that of whoever waits longest, so one who speaks at once gets through a crowd that says nothing.
 */
import type { Duplex } from 'node:stream'

export function createWaitingRoom({ places, patienceMs }: { places: number; patienceMs: number }) {
  /** In the order of their coming. */
  const waiting = new Map<Duplex, NodeJS.Timeout>()

  function leave(socket: Duplex): void {
    clearTimeout(waiting.get(socket))
    waiting.delete(socket)
  }

  return {
    enter(socket: Duplex): void {
      if (waiting.size >= places) {
        const [longest] = waiting.keys()
        longest?.destroy()
        if (longest) leave(longest)
      }
      waiting.set(
        socket,
        setTimeout(() => socket.destroy(), patienceMs),
      )
      socket.once('close', () => leave(socket))
    },
    /** It has said enough. */
    leave,
  }
}
