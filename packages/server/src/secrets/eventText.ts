/**
 * Walks the data of an event and changes its texts: string values, never keys, ids, or the words by which events are
 * told apart. Inside what an agent's tool takes and gives every string is text, whatever its key is called.
 */

/** What a program fills as it likes. */
const free = new Set(['input', 'output', 'metadata', 'raw', 'args', 'arguments', 'content', 'details', 'error'])
const words = new Set(['id', 'type', 'role', 'status', 'field', 'mode', 'source', 'kind', 'step', 'reason', 'result'])
const isWord = (key: string, value: string) =>
  (words.has(key) || /(ID|Id)$/.test(key)) && /^[\w.:-]{1,200}$/.test(value)

/** The same object where nothing changed. Throws `RangeError` when it is nested too deep. */
export function changeText(value: unknown, change: (text: string) => string): unknown {
  return walk(value, change, true)
}

function walk(value: unknown, change: (text: string) => string, structured: boolean): unknown {
  if (typeof value === 'string') return change(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items: unknown[] = value
    const changed = items.map((item) => walk(item, change, structured))
    return changed.some((item, i) => item !== items[i]) ? changed : value
  }
  let result: Record<string, unknown> | null = null
  for (const [key, member] of Object.entries(value)) {
    if (structured && typeof member === 'string' && isWord(key, member)) continue
    const changed = walk(member, change, structured && !free.has(key))
    if (changed === member) continue
    result ??= { ...value }
    result[key] = changed
  }
  return result ?? value
}
