/** By what an event of an agent's feed is found again among those that a viewer got: all that it says. */
import { createHash } from 'node:crypto'

const watched = new Set(['message.updated', 'message.part.updated', 'message.part.delta'])

/** Null for what is not looked at. */
export function keyOf({ type, properties }: { type: string; properties?: unknown }): string | null {
  if (!watched.has(type) || !properties) return null
  return createHash('sha1').update(canonical({ type, properties })).digest('base64')
}

/** Members may come in another order. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
