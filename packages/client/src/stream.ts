/**
 * A stream that resumes. Invariants: events come in order, each once, from `from` on; a lost connection is taken up
 * again after the last event that was handed out, with a fresh ticket, after 250 ms doubling to 8 s with jitter, for
 * ever; a log whose history was replaced is told by `restarted` and comes again from its beginning.
 */
import type { ConnectedFrame, Envelope, SessionId, StreamEventType, StreamFrame } from '@corral/protocol'
import { CorralCallError } from './callError.ts'

export type FollowOptions = {
  /** Events after this number; 0 is everything. */
  from?: number
  /** Others are not sent. */
  eventTypes?: StreamEventType[]
  signal?: AbortSignal
}

export type StreamItem =
  | { kind: 'event'; event: Envelope }
  /** Replay is over, what follows is live; comes once per connection. */
  | { kind: 'connected'; state: ConnectedFrame['data'] }
  /** The connection is gone; it is taken up again after `retryInMs`. */
  | { kind: 'disconnected'; retryInMs: number }
  /** The server's log is not the one that the cursor was made from: what came before is void. */
  | { kind: 'restarted' }

type Door = {
  socketUrl: string
  ticket(): Promise<string>
  /** The number of the newest event. */
  head(): Promise<number>
}

const firstDelayMs = 250
const longestDelayMs = 8_000
const openTimeoutMs = 10_000
/** Frames that wait for a slow reader; past that the connection is given up and resumed when they have been read. */
const maxWaiting = 10_000
/** Access has ended, or the session is deleted: nothing to come back for. */
const finalCloses = new Map([
  [4403, new CorralCallError('session_not_found', 'Access to this session has ended.')],
  [4404, new CorralCallError('session_not_found', 'The session was deleted.')],
])

export async function* follow(door: Door, sessionId: SessionId, options: FollowOptions): AsyncGenerator<StreamItem> {
  const { signal } = options
  let cursor = options.from ?? 0
  let logId: string | null = null
  let delayMs = firstDelayMs

  while (!signal?.aborted) {
    const connection = await open(door, sessionId, cursor, options)
    if (connection === 'cursor_ahead') {
      cursor = 0
      yield { kind: 'restarted' }
      continue
    }
    if (connection) {
      try {
        for await (const frame of connection.frames) {
          if (frame.streamEventType !== 'connected') {
            if (frame.eventId <= cursor) continue
            cursor = frame.eventId
            yield { kind: 'event', event: frame }
            continue
          }
          delayMs = firstDelayMs
          if (logId !== null && logId !== frame.data.logId) {
            logId = frame.data.logId
            cursor = 0
            yield { kind: 'restarted' }
            break
          }
          logId = frame.data.logId
          yield { kind: 'connected', state: frame.data }
        }
      } finally {
        connection.close()
      }
      const final = finalCloses.get(connection.closeCode() ?? 0)
      if (final) throw final
    }
    if (signal?.aborted) return
    const retryInMs = Math.round(delayMs * (0.5 + Math.random()))
    yield { kind: 'disconnected', retryInMs }
    await pause(retryInMs, signal)
    delayMs = Math.min(delayMs * 2, longestDelayMs)
  }
}

type Connection = { frames: AsyncIterable<StreamFrame>; close(): void; closeCode(): number | null }

/** Null when there is no connection to be had now. */
async function open(
  door: Door,
  sessionId: SessionId,
  cursor: number,
  { eventTypes, signal }: FollowOptions,
): Promise<Connection | 'cursor_ahead' | null> {
  let ticket: string
  try {
    ticket = await door.ticket()
  } catch (error) {
    // 401 and 404 will not mend themselves; anything else may.
    if (error instanceof CorralCallError && (error.httpStatus === 401 || error.httpStatus === 404)) throw error
    return null
  }
  const url = new URL(door.socketUrl)
  url.searchParams.set('cloudAgentSessionId', sessionId)
  if (cursor > 0) url.searchParams.set('fromId', String(cursor))
  if (eventTypes) url.searchParams.set('eventTypes', eventTypes.join(','))
  url.searchParams.set('batch', 'true')
  // As a subprotocol the ticket is in no address, and so in nobody's log.
  const socket = new WebSocket(url, ['corral.v1', `corral.ticket.${ticket}`])
  const queue = frameQueue(socket, signal)
  if (await queue.opened) return queue
  // A browser does not show the status of a refused handshake. A cursor beyond the head is the one that retrying
  // cannot mend.
  if (cursor > 0 && (await door.head().catch(() => Number.POSITIVE_INFINITY)) < cursor) return 'cursor_ahead'
  return null
}

function frameQueue(socket: WebSocket, signal: AbortSignal | undefined): Connection & { opened: Promise<boolean> } {
  const waiting: StreamFrame[] = []
  let closeCode: number | null = null
  let ended = false
  let notify = () => {}

  const end = () => {
    ended = true
    signal?.removeEventListener('abort', close)
    notify()
  }
  const close = () => {
    socket.close(1000)
    end()
  }
  signal?.addEventListener('abort', close)
  const opened = new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => {
      socket.close()
      resolve(false)
    }, openTimeoutMs)
    socket.addEventListener('open', () => {
      clearTimeout(timer)
      resolve(true)
    })
    socket.addEventListener('close', (event) => {
      clearTimeout(timer)
      closeCode = event.code
      end()
      resolve(false)
    })
  })
  socket.addEventListener('message', ({ data }) => {
    const frames: StreamFrame | StreamFrame[] = JSON.parse(String(data))
    waiting.push(...(Array.isArray(frames) ? frames : [frames]))
    if (waiting.length > maxWaiting) close()
    notify()
  })
  // `close` always follows and carries what there is to know.
  socket.addEventListener('error', () => {})

  async function* frames() {
    for (;;) {
      const frame = waiting.shift()
      if (frame) yield frame
      else if (ended) return
      else {
        await new Promise<void>((resolve) => {
          notify = resolve
        })
      }
    }
  }
  return { opened, frames: frames(), close, closeCode: () => closeCode }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
}
