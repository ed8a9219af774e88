/** Chance that can be had again: the same seed gives the same choices (mulberry32). */
export type Chance = {
  /** From 0 up to, and without, `end`. */
  below(end: number): number
  pick<T>(from: readonly [T, ...T[]]): T
  happens(probability: number): boolean
}

export function createChance(seed: number): Chance {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number) => Math.floor(next() * end)
  return {
    below,
    pick: (from) => from[below(from.length)] ?? from[0],
    happens: (probability) => next() < probability,
  }
}
