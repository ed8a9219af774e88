/**
 * One viewer's socket, from 101 to its close: replay, one `connected` frame, then live, joined without hole or double.
 * Invariants: the next events are taken only when the last are in the hands of the operating system, so a slow viewer
 * costs a bounded memory and nobody else's time; a viewer that does not answer is let go.
 */
import type { Duplex } from 'node:stream'
import type { ConnectedFrame } from '@corral/protocol'
import type { Logger } from 'pino'
import type { WebSocket } from 'ws'
import type { Frame } from '../../log/envelope.ts'
import type { Log } from '../../log/log.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import type { StreamRequest } from './streamRequest.ts'

export const streamClose = {
  done: 1000,
  protocolError: 1008,
  ourFault: 1011,
  stopping: 1012,
  accessEnded: 4403,
  deleted: 4404,
} as const
export type StreamClose = keyof typeof streamClose

export type Viewer = { session: StreamRequest['session']; close(why: StreamClose): void; ended: Promise<void> }

export type StreamTimers = { pingMs: number; silenceMs: number }

/** Frames that are written at once, and so the most that waits in the socket. */
const writeBytes = 64 * 1024
/** Events get their time before they are committed and seen; so long after `endTime` all that it includes are there. */
const endGraceMs = 1_000
/** What a peer has to answer a close. */
const goodbyeMs = 2_000
const longestTimerMs = 24 * 60 * 60 * 1000

export function serveViewer(options: {
  socket: WebSocket
  /** What `socket` writes to. */
  transport: Duplex
  request: StreamRequest
  sessions: Pick<Sessions, 'connected'>
  log: Pick<Log, 'replay' | 'follow' | 'lastSeq'>
  timers: StreamTimers
  logger: Logger
}): Viewer {
  const { socket, transport, request, sessions, log, timers, logger } = options
  const { session, filters, batch } = request
  /** Ends the live part; the socket is closed, or `endTime` has come. */
  const live = new AbortController()
  let endTimer: NodeJS.Timeout | undefined
  let goodbye: NodeJS.Timeout | undefined

  function close(why: StreamClose): void {
    live.abort()
    socket.close(streamClose[why])
    goodbye ??= setTimeout(() => socket.terminate(), goodbyeMs)
  }

  const isOpen = () => socket.readyState === socket.OPEN

  /** Resolves when these frames are out of our hands, or the socket is gone. */
  function write(texts: readonly string[]): Promise<void> {
    const written = Promise.withResolvers<void>()
    // One system call for all of them; they go out in their order, so the last one tells of all.
    transport.cork()
    for (const [i, text] of texts.entries())
      socket.send(text, i === texts.length - 1 ? () => written.resolve() : undefined)
    transport.uncork()
    return written.promise
  }

  async function send(frames: readonly Frame[]): Promise<void> {
    for (let from = 0; from < frames.length && isOpen(); ) {
      const chunk = chunkOf(frames, from)
      from += chunk.length
      const texts = chunk.map((frame) => frame.text)
      await write(batch ? [`[${texts.join(',')}]`] : texts)
    }
  }

  async function show(): Promise<void> {
    const state = await sessions.connected(session)
    if (!state) return close('deleted')
    // Taken at one number, up to which it is replayed and after which it is followed.
    let shown = state.lastEventId
    if (request.after !== null) {
      for await (const frames of log.replay(session, { after: request.after, upTo: shown, filters })) {
        await send(frames)
        if (!isOpen()) return
      }
    }
    await write([connectedText(state)])
    if (filters.to && filters.to.getTime() < Date.now()) return close('done')
    if (filters.to) endAt(filters.to.getTime() + endGraceMs)
    for await (const frames of log.follow(session, { after: shown, filters, signal: live.signal })) {
      await send(frames)
      shown = frames.at(-1)?.seq ?? shown
    }
    if (!isOpen()) return
    for await (const frames of log.replay(session, { after: shown, upTo: await log.lastSeq(session), filters })) {
      await send(frames)
    }
    close('done')
  }

  function connectedText(data: ConnectedFrame['data']): string {
    const timestamp = new Date().toISOString()
    const frame = { eventId: 0, sessionId: session, streamEventType: 'connected', timestamp, data } as const
    return JSON.stringify(batch ? [frame satisfies ConnectedFrame] : frame)
  }

  function endAt(ms: number): void {
    const leftMs = ms - Date.now()
    if (leftMs <= 0) live.abort()
    else endTimer = setTimeout(() => endAt(ms), Math.min(leftMs, longestTimerMs))
  }

  const beat = setInterval(() => socket.ping(), timers.pingMs)
  const silence = setTimeout(() => socket.terminate(), timers.silenceMs)

  socket.on('pong', () => silence.refresh())
  socket.on('message', () => close('protocolError'))
  socket.on('error', (error) => logger.debug({ session, error: error.message }, 'the socket of a viewer failed'))
  const ended = new Promise<void>((resolve) => {
    socket.on('close', () => {
      live.abort()
      clearInterval(beat)
      clearTimeout(silence)
      clearTimeout(endTimer)
      clearTimeout(goodbye)
      resolve()
    })
  })

  show().catch((error: unknown) => {
    logger.warn({ session, error }, 'a viewer could not be served; it will come back')
    close('ourFault')
  })

  return { session, close, ended }
}

/** What comes next of these frames: at most 64 KiB, or one larger frame. */
function chunkOf(frames: readonly Frame[], from: number): readonly Frame[] {
  let bytes = 0
  let end = from
  for (let next = frames[end]; next && (end === from || bytes + next.bytes <= writeBytes); next = frames[end]) {
    bytes += next.bytes
    end += 1
  }
  return frames.slice(from, end)
}
