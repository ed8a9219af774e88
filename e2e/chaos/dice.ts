/** Chance that a seed repeats: what is struck, when, and for how long (mulberry32). What meets it is the machine's affair. */
export type Random = {
  /** A whole number from `from` up to, not including, `to`. */
  between(from: number, to: number): number
  chance(part: number): boolean
  pick<T>(from: readonly T[]): T
  /** An independent stream, so that one part's draws do not move another's. */
  branch(): Random
}

export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (from: number, to: number) => from + Math.floor(next() * (to - from))
  return {
    between,
    chance: (part) => next() < part,
    pick(from) {
      const picked = from[between(0, from.length)]
      if (picked === undefined) throw new Error('There is nothing to pick from.')
      return picked
    },
    branch: () => randomFrom(between(0, 2 ** 32)),
  }
}
