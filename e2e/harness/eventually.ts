/** Waits for what cannot be awaited: looks until there is something, with a bound, and says what it waited for. */
import { setTimeout as delay } from 'node:timers/promises'

const lookEveryMs = 50

export async function eventually<T>(
  what: string,
  withinMs: number,
  look: () => T | null | Promise<T | null>,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await look()
    if (found !== null) return found
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain for ${what}.`)
    await delay(lookEveryMs)
  }
}
