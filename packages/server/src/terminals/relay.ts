/**
 * One viewer of a terminal, from 101 to its close: bytes between them and the sandbox, in both directions. Invariants: a
 * side is not read while the other has not taken what came before, so neither costs more than a window of memory; what a
 * sandbox says besides bytes is passed on only in its form; the viewer's socket closes with the reason.
 */
import {
  closeOfEnd,
  type TerminalClose,
  terminalAckSchema,
  terminalClose,
  terminalLimits,
  terminalNewsSchema,
} from '@corral/protocol'
import type { Logger } from 'pino'
import type { WebSocket } from 'ws'
import { createPace } from './pace.ts'

export type Relay = {
  close(why: TerminalClose): void
  /** Since the last key; monotonic. */
  typedAt(): number
  ended: Promise<void>
}

export type RelayTimers = { pingMs: number; silenceMs: number }

/** What a peer has to answer a close. */
const goodbyeMs = 2_000
/** Past this much that one side has not taken the other is not read, until it has nearly all. */
const waitingBytes = terminalLimits.windowBytes
const nearlyTakenBytes = terminalLimits.frameBytes

export function createRelay(options: {
  viewer: WebSocket
  /** To the sandbox; null when it does not come. Paused. */
  channel: Promise<WebSocket | null>
  timers: RelayTimers
  logger: Logger
}): Relay {
  const { viewer, timers, logger } = options
  const fromViewer = createValve(viewer)
  const pace = createPace(terminalLimits.bytesPerSecond)
  let typedAt = performance.now()
  let goodbye: NodeJS.Timeout | undefined
  fromViewer.hold('no channel')

  function close(why: TerminalClose): void {
    viewer.close(terminalClose[why])
    // A closing viewer that is not read could not answer.
    viewer.resume()
    goodbye ??= setTimeout(() => viewer.terminate(), goodbyeMs)
  }

  function connect(channel: WebSocket): void {
    const fromChannel = createValve(channel)
    viewer.on('close', () => channel.close())
    channel.on('close', () => close('lost'))
    viewer.on('message', (data: Buffer, isBinary) => {
      // Whose access has ended types no more, even while they are slow to close.
      if (viewer.readyState !== viewer.OPEN) return
      if (isBinary) typedAt = performance.now()
      else if (!isOfForm(terminalAckSchema, data)) return close('protocolError')
      pass(data, isBinary, channel, fromViewer)
    })
    channel.on('message', (data: Buffer, isBinary) => {
      const news = isBinary ? null : terminalNewsSchema.safeParse(parse(data))
      if (news?.success === false) return close('lost')
      pass(news ? Buffer.from(JSON.stringify(news.data)) : data, isBinary, viewer, fromChannel)
      if (news?.data.type === 'ended') return close(closeOfEnd[news.data.reason])
      const waitMs = pace.take(data.length)
      if (waitMs === 0) return
      fromChannel.hold('pace')
      setTimeout(() => fromChannel.release('pace'), waitMs)
    })
    channel.resume()
    fromViewer.release('no channel')
  }

  const beat = setInterval(() => viewer.ping(), timers.pingMs)
  const silence = setTimeout(() => {
    // Whoever is not read cannot be heard.
    if (viewer.isPaused) silence.refresh()
    else viewer.terminate()
  }, timers.silenceMs)
  viewer.on('pong', () => silence.refresh())
  viewer.on('error', (error) => logger.debug({ error: error.message }, 'the socket of a terminal failed'))
  const ended = new Promise<void>((resolve) => {
    viewer.on('close', () => {
      clearInterval(beat)
      clearTimeout(silence)
      clearTimeout(goodbye)
      resolve()
    })
  })

  void options.channel.then((channel) => {
    if (!channel) close('lost')
    else if (viewer.readyState === viewer.OPEN) connect(channel)
    else channel.close()
  })

  return { close, typedAt: () => typedAt, ended }
}

type Valve = { hold(why: string): void; release(why: string): void }

/** A socket that is read while nothing speaks against it. */
function createValve(socket: WebSocket): Valve {
  const reasons = new Set<string>()
  return {
    hold(why) {
      reasons.add(why)
      socket.pause()
    },
    release(why) {
      if (reasons.delete(why) && reasons.size === 0) socket.resume()
    },
  }
}

function pass(data: Buffer, binary: boolean, to: WebSocket, from: Valve): void {
  to.send(data, { binary }, () => {
    if (to.bufferedAmount <= nearlyTakenBytes) from.release('not taken')
  })
  if (to.bufferedAmount > waitingBytes) from.hold('not taken')
}

const isOfForm = (schema: typeof terminalAckSchema, data: Buffer): boolean => schema.safeParse(parse(data)).success

function parse(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString())
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
