/** Tells whether a repeated call says the same as the first one did. */
import { createHash } from 'node:crypto'

/** Equal for equal content, whatever the order of members. */
export function contentHash(content: unknown): string {
  return createHash('sha256').update(stable(content)).digest('hex')
}

function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${stable(member)}`).join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}
