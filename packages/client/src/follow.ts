/**
 * A stream that resumes. Invariants: events come in order, each once, from `from` on; a lost connection is taken up
 * again after the last event that was handed out, with a fresh ticket, after 250 ms doubling to 8 s with jitter, for
 * ever; a log whose history was replaced is told by `restarted` and comes again from its beginning.
 */
import {
  type ConnectedFrame,
  type Envelope,
  type StreamEventType,
  type StreamFrame,
  streamEventTypes,
} from '@corral/protocol'
import { answered, CorralCallError } from './callError.ts'
import { type Connection, connect } from './connection.ts'
import type { Door } from './door.ts'
import { pause } from './pause.ts'

export type FollowOptions = {
  /** Events after this number; 0, the default, is everything. */
  from?: number
  /** Others are not sent. */
  eventTypes?: StreamEventType[]
  /** Ends the stream at once. */
  signal?: AbortSignal
}

type ConnectionItem =
  /** Replay is over, what follows is live; comes once per connection. */
  | { kind: 'connected'; state: ConnectedFrame['data'] }
  /** The connection is gone; it is taken up again after `retryInMs`. */
  | { kind: 'disconnected'; retryInMs: number }
  /** The server's log is not the one that the cursor was made from: what came before is void. */
  | { kind: 'restarted' }
export type StreamItem = ConnectionItem | { kind: 'event'; event: Envelope }
/** Events that have come together. */
export type StreamBatch = ConnectionItem | { kind: 'events'; events: Envelope[] }

export type FollowTimers = { firstDelayMs: number; longestDelayMs: number; openMs: number; silenceMs: number }

const defaultTimers: FollowTimers = { firstDelayMs: 250, longestDelayMs: 8_000, openMs: 10_000, silenceMs: 45_000 }

/** Ends when `signal` aborts; throws when access has ended, the session is deleted, or a ticket is refused for good. */
export async function* follow(
  door: Door,
  options: FollowOptions,
  timers: FollowTimers = defaultTimers,
): AsyncGenerator<StreamBatch, void, undefined> {
  checkOptions(options)
  const { signal } = options
  const place: Place = { cursor: options.from ?? 0, logId: null }
  let delayMs = timers.firstDelayMs

  while (!signal?.aborted) {
    const end = yield* watch(door, place, options, timers)
    if (signal?.aborted) return
    if (end === 'stale') continue
    if (end === 'replaced') {
      place.cursor = 0
      place.logId = null
      yield { kind: 'restarted' }
      continue
    }
    if (end === 'lost') delayMs = timers.firstDelayMs
    const retryInMs = Math.round(delayMs * (0.5 + Math.random() / 2))
    yield { kind: 'disconnected', retryInMs }
    await pause(retryInMs, signal)
    delayMs = Math.min(delayMs * 2, timers.longestDelayMs)
  }
}

/** How far the stream has come, and in which log. */
type Place = { cursor: number; logId: string | null }

/**
 * How a connection ended: `unavailable` before anything came, `lost` after; `stale` when it is to be taken up again at
 * once; `replaced` when the log is not that of the cursor.
 */
type End = 'unavailable' | 'lost' | 'stale' | 'replaced'

async function* watch(
  door: Door,
  place: Place,
  { eventTypes, signal }: FollowOptions,
  timers: FollowTimers,
): AsyncGenerator<StreamBatch, End, undefined> {
  const within = () => AbortSignal.any([AbortSignal.timeout(timers.openMs), ...(signal ? [signal] : [])])
  const connection = await open(door, place.cursor, eventTypes, within())
  if (!connection) {
    // Browsers do not show why a socket was refused. Of all reasons, trying again does not mend a cursor that is ahead.
    const head = place.cursor > 0 ? await answered(door.head(within())) : null
    return head !== null && head < place.cursor ? 'replaced' : 'unavailable'
  }
  let end: End = 'unavailable'
  /** The newest number that this connection can be expected to know. */
  let known = place.cursor
  signal?.addEventListener('abort', connection.close)
  try {
    while (!signal?.aborted) {
      const frames = await connection.take(timers.silenceMs)
      if (frames === null) break
      if (frames.length === 0) {
        // A peer that has vanished looks like one that has nothing to say.
        const head = await answered(door.head(within()))
        if (head === null) return 'lost'
        if (head > known) return 'stale'
        continue
      }
      end = 'lost'
      let events: Envelope[] = []
      for (const frame of frames) {
        if (frame.streamEventType !== 'connected') {
          if (frame.eventId > place.cursor) events.push(frame)
          place.cursor = Math.max(place.cursor, frame.eventId)
          continue
        }
        if (events.length > 0) yield { kind: 'events', events }
        events = []
        if (place.logId !== null && place.logId !== frame.data.logId) return 'replaced'
        place.logId = frame.data.logId
        known = frame.data.lastEventId
        yield { kind: 'connected', state: frame.data }
      }
      if (events.length > 0) yield { kind: 'events', events }
      known = Math.max(known, place.cursor)
    }
  } finally {
    signal?.removeEventListener('abort', connection.close)
    connection.close()
  }
  const code = connection.closeCode()
  if (code === 4403) throw new CorralCallError('session_not_found', 'Access to this session has ended.')
  if (code === 4404) throw new CorralCallError('session_not_found', 'The session was deleted.')
  return connection.overrun() ? 'stale' : end
}

async function open(
  door: Door,
  cursor: number,
  eventTypes: StreamEventType[] | undefined,
  opening: AbortSignal,
): Promise<Connection<StreamFrame> | null> {
  const ticket = await answered(door.ticket(opening))
  if (ticket === null) return null
  const url = new URL(door.socketUrl)
  if (cursor > 0) url.searchParams.set('fromId', String(cursor))
  if (eventTypes) url.searchParams.set('eventTypes', eventTypes.join(','))
  url.searchParams.set('batch', 'true')
  // As a subprotocol the ticket is in no address, and so in nobody's log.
  return connect(url, ['corral.v1', `corral.ticket.${ticket}`], opening, (text): StreamFrame[] => JSON.parse(text))
}

function checkOptions({ from = 0, eventTypes }: FollowOptions): void {
  if (!Number.isSafeInteger(from) || from < 0) {
    throw new TypeError(`from is ${from}; it must be the number of an event, or 0.`)
  }
  const unknown = eventTypes?.find((type) => !streamEventTypes.includes(type))
  if (unknown !== undefined) throw new TypeError(`There are no events of the type "${unknown}".`)
  if (eventTypes?.length === 0) throw new TypeError('eventTypes is empty; leave it out to get all events.')
}
