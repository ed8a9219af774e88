/**
 * What waits for one viewer: a run of live events without a hole, of bounded size. When it would grow too large, or
 * events are missing, it lets go of what it has; the viewer sees by `newest` that it must read the log.
 */
import type { Frame } from './envelope.ts'

export type Backlog = {
  /** The highest number that is known to be in the log; 0 until something was heard. */
  newest(): number
  /** Frames of one commit, in order, just published. */
  add(frames: readonly Frame[]): void
  /** The log has come as far as `seq`, whatever was published. */
  tell(seq: number): void
  /** What directly follows `seq`, and forgets it; nothing when that is not here. */
  takeAfter(seq: number): Frame[]
  /** Resolves at the next news; at once when there was some since the last call. */
  news(): Promise<void>
  /** Ends a wait for news. */
  wake(): void
}

export function createBacklog(maxBytes: number): Backlog {
  let run: Frame[] = []
  let runBytes = 0
  let newest = 0
  let heard = false
  let wakeUp: (() => void) | null = null

  function wake(): void {
    heard = true
    wakeUp?.()
    wakeUp = null
  }

  function restart(frames: Frame[]): void {
    run = frames
    runBytes = 0
    for (const { bytes } of frames) runBytes += bytes
  }

  return {
    newest: () => newest,
    add(frames) {
      // Commits of two connections may be heard of in the wrong order; the late one has been read from the log then.
      const fresh = frames.filter((frame) => frame.seq > newest)
      const [first] = fresh
      const last = fresh.at(-1)
      if (!first || !last) return
      if (first.seq === newest + 1) {
        for (const frame of fresh) {
          run.push(frame)
          runBytes += frame.bytes
        }
      } else restart(fresh)
      if (runBytes > maxBytes) restart([])
      newest = last.seq
      wake()
    },
    tell(seq) {
      if (seq <= newest) return
      restart([])
      newest = seq
      wake()
    },
    takeAfter(seq) {
      const start = run.findIndex((frame) => frame.seq > seq)
      const first = run[start]
      if (!first) {
        restart([])
        return []
      }
      if (first.seq !== seq + 1) return []
      const taken = start === 0 ? run : run.slice(start)
      restart([])
      return taken
    },
    async news() {
      if (!heard) {
        await new Promise<void>((resolve) => {
          wakeUp = resolve
        })
      }
      heard = false
    },
    wake,
  }
}
