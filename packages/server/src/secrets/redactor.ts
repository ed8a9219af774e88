/** Takes the secrets of one session out of text: whole texts, and streams of pieces. */
import { cutOut } from './cutOut.ts'
import { createDeltaStream, type DeltaStream } from './deltaStream.ts'
import { changeText } from './eventText.ts'
import { formsOf, withoutLineBreaks } from './forms.ts'
import { createMatcher, initialState } from './matcher.ts'

export type Redactor = {
  text(text: string): string
  /** The data of an event; the same object where nothing changed. */
  data(data: unknown): unknown
  events<Event extends { data: unknown }>(events: readonly Event[]): readonly Event[]
  stream(): DeltaStream
  /** Characters of all patterns. */
  size: number
}

/** Null when there is nothing to look for. */
export function createRedactor(secrets: Iterable<string>): Redactor | null {
  const patterns = [...new Set([...secrets].flatMap(formsOf))]
  if (patterns.length === 0) return null
  const matcher = createMatcher(patterns)

  function text(whole: string): string {
    const { regions } = matcher.scan(withoutLineBreaks(whole), initialState)
    return cutOut(whole, regions)
  }
  const data = (value: unknown) => changeText(value, text)

  return {
    text,
    data,
    events: (events) => events.map((event) => ({ ...event, data: data(event.data) })),
    stream: () => createDeltaStream(matcher),
    size: patterns.reduce((sum, pattern) => sum + pattern.length, 0),
  }
}
