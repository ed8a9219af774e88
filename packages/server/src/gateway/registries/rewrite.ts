/**
 * Replaces addresses in a stream of text. Memory is bounded by the longest of them, and what lies across two chunks is
 * found as well; every other byte goes on as it is.
 */
export type Replacement = { from: string; to: string }

export async function* rewrite(
  chunks: AsyncIterable<Buffer>,
  replacements: readonly Replacement[],
): AsyncGenerator<Buffer> {
  const byLength = replacements.toSorted((one, other) => other.from.length - one.from.length)
  const wanted = new RegExp(byLength.map(({ from }) => RegExp.escape(from)).join('|'), 'g')
  const longest = byLength[0]?.from.length ?? 1
  const replaced = new Map(byLength.map(({ from, to }) => [from, to]))
  // One character for each byte, so that nothing depends on how the text is encoded.
  let held = ''

  /** What begins before `end` and is one of `wanted` is replaced; what may be a part of one is held. */
  function take(text: string, end: number): string {
    let taken = ''
    let from = 0
    for (const { 0: match, index } of text.matchAll(wanted)) {
      if (index >= end) break
      taken += text.slice(from, index) + (replaced.get(match) ?? match)
      from = index + match.length
    }
    const until = Math.max(from, end)
    held = text.slice(until)
    return taken + text.slice(from, until)
  }

  for await (const chunk of chunks) {
    const text = held + chunk.toString('latin1')
    const taken = take(text, Math.max(0, text.length - longest + 1))
    if (taken !== '') yield Buffer.from(taken, 'latin1')
  }
  const rest = take(held, held.length)
  if (rest !== '') yield Buffer.from(rest, 'latin1')
}
