/** A moment, as how long ago it was; in full for who points at it, and as ISO 8601 for programs. */
import { useSyncExternalStore } from 'react'
import { timeAgo } from './timeAgo.ts'

const everyMs = 15_000

/** One timer for all that are shown. */
const listeners = new Set<() => void>()
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(tell, everyMs)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

function tell(): void {
  now = Date.now()
  for (const listener of [...listeners]) listener()
}

/** `at` in Unix milliseconds. */
export function Time({ at }: { at: number }) {
  const current = useSyncExternalStore(subscribe, () => now)
  const moment = new Date(at)
  return (
    <time dateTime={moment.toISOString()} title={moment.toLocaleString()}>
      {timeAgo(at, Math.max(current, at))}
    </time>
  )
}
