/**
 * Finds any of many patterns in text that comes in pieces, in time linear in the text whatever the patterns are
 * (Aho and Corasick, 1975). A state is a number that stands for the longest end of the text so far that begins a
 * pattern. Text and patterns come without line breaks, so that a terminal that wraps its lines hides nothing.
 */

/** Characters [start, end) of the text that was scanned; `start` is negative when it began in an earlier piece. */
export type Region = { start: number; end: number }

export type Matcher = {
  /** Regions that a pattern covers, those that overlap made one, in order; and the state after the text. */
  scan(text: string, state: number): { regions: Region[]; state: number }
  /** Length of the end that begins a pattern and is not yet one. */
  depth(state: number): number
  /** So much of a pattern is there that it is taken for it, if no more comes. */
  isLikely(state: number): boolean
}

export const initialState = 0
/** The beginning of a pattern counts as the pattern from half of it on, within these bounds. */
const likelyLength = { least: 8, most: 32 }

export function createMatcher(patterns: readonly string[]): Matcher {
  const size = patterns.reduce((sum, pattern) => sum + pattern.length, 1)
  // A node per character of the patterns; their children as linked lists, those of the root in a map.
  const code = new Uint16Array(size)
  const child = new Int32Array(size)
  const sibling = new Int32Array(size)
  const fallback = new Int32Array(size)
  const depth = new Int32Array(size)
  /** Of the longest pattern that ends here, or in what this falls back to. */
  const longest = new Int32Array(size)
  /** Of the shortest pattern that goes through here. */
  const shortest = new Int32Array(size).fill(size)
  /** Where a pattern may still go on: here, or in what this falls back to. */
  const open = new Int32Array(size)
  const roots = new Map<number, number>()
  let nodes = 1

  function childOf(node: number, of: number): number {
    if (node === initialState) return roots.get(of) ?? 0
    let next = child[node] ?? 0
    while (next !== 0 && code[next] !== of) next = sibling[next] ?? 0
    return next
  }

  function add(pattern: string): void {
    let node = initialState
    for (let i = 0; i < pattern.length; i++) {
      const of = pattern.charCodeAt(i)
      let next = childOf(node, of)
      if (next === 0) {
        next = nodes++
        code[next] = of
        depth[next] = i + 1
        if (node === initialState) roots.set(of, next)
        else {
          sibling[next] = child[node] ?? 0
          child[node] = next
        }
      }
      shortest[next] = Math.min(shortest[next] ?? size, pattern.length)
      node = next
    }
    longest[node] = pattern.length
  }

  function step(from: number, of: number): number {
    for (let node = from; ; node = fallback[node] ?? 0) {
      const next = childOf(node, of)
      if (next !== 0 || node === initialState) return next
    }
  }

  for (const pattern of patterns) add(pattern)
  // Breadth first: what a node falls back to is less deep, and known before it.
  const order = [...roots.values()]
  for (let i = 0; i < order.length; i++) {
    const node = order[i] ?? 0
    const behind = fallback[node] ?? 0
    longest[node] = Math.max(longest[node] ?? 0, longest[behind] ?? 0)
    open[node] = child[node] ? node : (open[behind] ?? 0)
    for (let next = child[node] ?? 0; next !== 0; next = sibling[next] ?? 0) {
      fallback[next] = step(behind, code[next] ?? 0)
      order.push(next)
    }
  }

  return {
    scan(text, from) {
      const regions: Region[] = []
      let state = from
      for (let i = 0; i < text.length; i++) {
        state = step(state, text.charCodeAt(i))
        const length = longest[state] ?? 0
        if (length > 0) addRegion(regions, { start: i + 1 - length, end: i + 1 })
      }
      return { regions, state }
    },
    depth: (state) => depth[open[state] ?? 0] ?? 0,
    isLikely(state) {
      const node = open[state] ?? 0
      const enough = Math.min(likelyLength.most, Math.max(likelyLength.least, (shortest[node] ?? size) / 2))
      return (depth[node] ?? 0) >= enough
    },
  }
}

/** Keeps `regions` in order and apart; the new one ends last. */
export function addRegion(regions: Region[], region: Region): void {
  let { start } = region
  for (let last = regions.at(-1); last && last.end > start; last = regions.at(-1)) {
    start = Math.min(start, last.start)
    regions.pop()
  }
  regions.push({ ...region, start })
}
