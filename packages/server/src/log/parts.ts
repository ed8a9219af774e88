/** What the log itself reads in an agent's event: the part it is about, and whether the turn moves on by it. */

const progressTypes = new Set<unknown>(['text', 'reasoning', 'tool'])

/** `data` has passed the schema of its type. Progress is text, reasoning and tools; not retries, steps or statuses. */
export function aboutPart(type: string, data: unknown): { entityId?: string; progress: boolean } {
  if (type !== 'kilocode') return { progress: false }
  const properties = member(data, 'properties')
  switch (member(data, 'type')) {
    case 'message.part.updated': {
      const part = member(properties, 'part')
      return { entityId: text(member(part, 'id')), progress: progressTypes.has(member(part, 'type')) }
    }
    case 'message.part.delta':
      return { entityId: text(member(properties, 'partID')), progress: true }
    case 'message.part.removed':
      return { entityId: text(member(properties, 'partID')), progress: false }
    default:
      return { progress: false }
  }
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
