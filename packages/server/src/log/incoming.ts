/**
 * Reads what a supervisor sent. Every event of a frame comes out under its own number: as it is to be stored, or, when
 * it may not be (unknown type, wrong form, too large), as an `error` that tells its type and nothing of its content.
 */
import {
  type EventsFrame,
  type ExecutionId,
  executionIdSchema,
  isAskEvent,
  isSuggestionEvent,
  limits,
  MiB,
  type UpType,
  upSchemas,
} from '@corral/protocol'
import { withoutNul } from './jsonText.ts'
import { aboutPart } from './parts.ts'
import type { AdmittedEvent, NewEvent } from './types.ts'

/** Types that go into the log as they came. All others, and asks, pass through `sink.admit`. */
const plainTypes = ['kilocode', 'output', 'error', 'file_sync', 'acp', 'events_dropped'] as const
type PlainType = (typeof plainTypes)[number]

export type Incoming = { n: number; bytes: number } & (
  | { kind: 'plain'; event: NewEvent; progress: boolean }
  | { kind: 'admit'; event: AdmittedEvent }
  | { kind: 'rejected'; event: NewEvent; why: string; cause?: unknown }
)
export type Rejected = Extract<Incoming, { kind: 'rejected' }>

type Origin = { epoch: number; n: number }

export function readIncoming(frame: EventsFrame): Incoming[] {
  const { epoch, from } = frame
  return frame.events.map((raw, i) => read(raw, { epoch, n: from + i }))
}

/** Takes the place of an event that cannot be stored. */
export function rejected(
  event: { type: string; executionId?: ExecutionId | undefined },
  origin: Origin,
  reason: { why: string; cause?: unknown },
): Rejected {
  const rejectedType = event.type.slice(0, 100)
  const sentence = `An event of the type "${rejectedType}" was not stored: ${reason.why}.`
  const data = withoutNul(JSON.stringify({ error: sentence, details: { rejectedType } }))
  return {
    kind: 'rejected',
    n: origin.n,
    bytes: Buffer.byteLength(data),
    event: { type: 'error', executionId: event.executionId, data, origin },
    ...reason,
  }
}

function read(raw: EventsFrame['events'][number], origin: Origin): Incoming {
  const named = executionIdSchema.optional().safeParse(raw.executionId)
  const executionId = named.data
  const refuse = (why: string, cause?: unknown) => rejected({ type: raw.type, executionId }, origin, { why, cause })

  if (!named.success) return refuse('its executionId has not the form of one')
  const { type } = raw
  if (!isUpType(type)) return refuse('a sandbox may not send this type')
  const parsed = upSchemas[type].safeParse(raw.data)
  if (!parsed.success) return refuse('its data has not the form of this type', parsed.error)
  try {
    return toStore({ type, executionId, data: parsed.data }, origin) ?? refuse(`it is larger than ${largest}`)
  } catch (cause) {
    // Nested too deep to be walked.
    return refuse('it could not be read', cause)
  }
}

const largest = `${limits.eventBytes / MiB} MiB`

/** Null when it is too large. */
function toStore(
  event: { type: UpType; executionId?: ExecutionId | undefined; data: unknown },
  origin: Origin,
): Incoming | null {
  const { type, executionId } = event
  const sent = JSON.stringify(event.data)
  const text = withoutNul(sent)
  const bytes = Buffer.byteLength(text)
  if (bytes > limits.eventBytes) return null
  const data: unknown = text === sent ? event.data : JSON.parse(text)
  const { n } = origin
  if (!isPlain(type) || opensOrClosesAsk(data))
    return { kind: 'admit', n, bytes, event: { n, type, executionId, data } }
  const { entityId, progress } = aboutPart(type, data)
  return { kind: 'plain', n, bytes, event: { type, executionId, entityId, data: text, origin }, progress }
}

/** Of the agents' events, those that are rows of their own, too. */
const opensOrClosesAsk = (data: unknown): boolean =>
  typeof data === 'object' &&
  data !== null &&
  'type' in data &&
  typeof data.type === 'string' &&
  (isAskEvent(data.type) || isSuggestionEvent(data.type))

const isUpType = (type: string): type is UpType => Object.hasOwn(upSchemas, type)
const isPlain = (type: UpType): type is PlainType => (plainTypes as readonly UpType[]).includes(type)
