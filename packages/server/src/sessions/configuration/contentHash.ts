/** Tells whether a repeated call says the same as the first one did. */

/**
 * Equal for equal content, whatever the order of members. Content may hold secrets, so the digest is a keyed one: a hash
 * in the database is nothing to try guesses on.
 */
export type ContentHash = (content: unknown) => string

export const createContentHash =
  (deps: { digest(content: string): string }): ContentHash =>
  (content) =>
    deps.digest(stable(content))

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
