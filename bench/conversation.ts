/**
 * A conversation with an agent as its user has it, the same with the agent alone and with one behind Corral: turns, each
 * with what was heard of it and when. Times are wall-clock milliseconds, since agent, model and we share one clock.
 */
import type { KilocodeData } from '@corral/protocol'

export type Heard = { atMs: number; event: KilocodeData }

export type Turn = { sentAtMs: number; heard: readonly Heard[] }

export type Conversation = AsyncDisposable & {
  /** The turn that it was begun with, from before the first process was started. */
  first: Turn
  /** Sends a prompt; resolves when its turn is over. `listen` hears with us. */
  turn(prompt: string, listen?: Listen): Promise<Turn>
}

export type Listen = (heard: Heard) => void

export type Begin = (prompt: string) => Promise<Conversation>

/** Finer than `Date.now()`. */
export const nowMs = (): number => performance.timeOrigin + performance.now()

export type Ear = {
  hear(atMs: number, event: KilocodeData): void
  /** The turn is over. */
  done(): void
  /** It will never be. */
  fail(error: Error): void
  turn<Sent>(send: () => Promise<Sent>, listen?: Listen): Promise<Turn & { sent: Sent }>
}

const turnMs = 60_000

export function createEar(): Ear {
  let heard: Heard[] = []
  let listening: Listen | undefined
  let end = Promise.withResolvers<void>()
  return {
    hear(atMs, event) {
      heard.push({ atMs, event })
      listening?.({ atMs, event })
    },
    done: () => end.resolve(),
    fail: (error) => end.reject(error),
    async turn(send, listen) {
      heard = []
      listening = listen
      end = Promise.withResolvers()
      const late = setTimeout(() => end.reject(new Error(`A turn was not over after ${turnMs / 1000} s.`)), turnMs)
      const sentAtMs = nowMs()
      try {
        const [sent] = await Promise.all([send(), end.promise])
        return { sentAtMs, heard, sent }
      } finally {
        clearTimeout(late)
      }
    },
  }
}
