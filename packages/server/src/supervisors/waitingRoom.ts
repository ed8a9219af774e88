/**
 * Connections at the door that have not shown a token yet: everything in a sandbox can open as many as it likes.
 * Invariants: no more wait than there are places, and nobody waits longer than the bound. Who comes when all places are taken
 * gets that of whoever waits longest, so a supervisor, which speaks at once, gets through a crowd that says nothing.
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
    /** It has shown its token. */
    leave,
  }
}

/** Runs at most `atOnce` of what it is given, the others in the order of their coming. */
export function createTurnstile(atOnce: number) {
  let inside = 0
  const outside: (() => void)[] = []
  return async function pass<T>(work: () => Promise<T>): Promise<T> {
    if (inside < atOnce) inside++
    else await new Promise<void>((resolve) => outside.push(resolve))
    try {
      return await work()
    } finally {
      // Whoever is next takes over the place.
      const next = outside.shift()
      if (next) next()
      else inside--
    }
  }
}
