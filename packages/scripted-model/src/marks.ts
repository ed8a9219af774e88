/**
 * A mark is one character in the text of an answer. It says: here a hold takes place. The n-th mark of a stream stands
 * for the n-th hold of its turn. The relay cuts an event at its marks; no mark ever reaches a client.
 */
import { z } from 'zod'

/** The first character of Unicode's private use area: JSON writes it as it is, and no prompt means anything by it. */
export const mark = '\uE000'

export const withoutMarks = (text: string): string => text.replaceAll(mark, '')

const streamed = z.union([
  z.looseObject({ object: z.literal('chat.completion.chunk') }),
  z.looseObject({ type: z.string().endsWith('delta') }),
])

/**
 * The events to send in the place of one event, with a hold between each two; a piece without text is null. Events
 * that repeat what has been streamed (`*.done`, `response.completed`) are sent whole.
 */
export const cutAtMarks = (data: string): (string | null)[] => {
  if (!data.includes(mark)) return [data]
  const event: unknown = JSON.parse(data)
  if (!streamed.safeParse(event).success) return [withoutMarks(data)]
  return (findMarked(event) ?? '')
    .split(mark)
    .map((piece) => (piece === '' ? null : JSON.stringify(event, (_, value) => (isMarked(value) ? piece : value))))
}

const isMarked = (value: unknown): boolean => typeof value === 'string' && value.includes(mark)

/** The one string of a delta that has marks. */
const findMarked = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value.includes(mark) ? value : undefined
  if (typeof value !== 'object' || value === null) return undefined
  for (const member of Object.values(value)) {
    const found = findMarked(member)
    if (found !== undefined) return found
  }
  return undefined
}
