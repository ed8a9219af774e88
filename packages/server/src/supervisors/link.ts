/**
 * One supervisor's connection, from hello to close. Invariants: commands answer within their bound or fail; events
 * are acked only once they are on disk; a supervisor that sends faster than the log writes is slowed at its socket.
 */

import type { SessionId } from '@corral/protocol'
import {
  type CommandRefusal,
  commandRefusals,
  type DownMethod,
  type DownParams,
  type DownResult,
  downMethods,
  type EventsFrame,
  eventsSchema,
  type Frame,
  frameSchema,
  type Hello,
  helloSchema,
  limits,
  linkClose,
  type SandboxId,
  type Welcome,
} from '@corral/protocol'
import type { Logger } from 'pino'
import type { RawData, WebSocket } from 'ws'
import { HoleError } from '../log/writer.ts'

export type Link = {
  id: string
  sandboxId: SandboxId
  bootId: string
  incarnation: number
  /** Monotonic milliseconds, as `performance.now()`. */
  connectedAt: number
  lastSeenAt: number
  /** Whether the supervisor knows that this session is in its sandbox. */
  serves(session: SessionId): boolean
  /** Sends one command; rejects when the link is gone or no answer came in time. Answers are `accepted`, not done. */
  call<M extends DownMethod>(method: M, params: DownParams<M>, timeoutMs: number): Promise<DownResult<M>>
  close(code: number, reason: string): void
}

/** The supervisor understood the command and will not do it. */
export class CommandRefused extends Error {
  readonly refusal: CommandRefusal | null

  constructor(code: number, message: string) {
    super(message)
    this.name = 'CommandRefused'
    const known = Object.entries(commandRefusals).find(([, value]) => value === code)
    this.refusal = (known?.[0] as CommandRefusal | undefined) ?? null
  }
}

export type LinkHandlers = {
  /** Checks the hello against the rows and says what may go on, or why nothing may. */
  hello(hello: Hello, linkId: string): Promise<{ welcome: Welcome } | { refused: 'fenced' | 'protocol' }>
  /** Called once the welcome is on its way: from now on commands may be sent. */
  opened(link: Link): void
  /** Appends to the log; resolves when on disk. */
  offer(frame: EventsFrame): Promise<{ epoch: number; n: number }>
  closed(link: Link | null): void
}

const helloTimeoutMs = 10_000
/** More than a full window of unacked events; past that we stop reading the socket. */
const readAheadBytes = 2 * limits.windowBytes
/** Commands and acks that the supervisor has not taken from its socket; far more than one that reads ever leaves. */
const unreadBytes = limits.windowBytes

export function serveLink(options: {
  socket: WebSocket
  sandboxId: SandboxId
  bootId: string
  handlers: LinkHandlers
  logger: Logger
}): void {
  const { socket, sandboxId, bootId, handlers, logger } = options
  const id = crypto.randomUUID()
  const calls = new Map<string, { resolve(result: unknown): void; reject(error: Error): void }>()
  /** Sessions whose events are taken from here: those of the welcome and those that were assigned since. */
  const assigned = new Set<SessionId>()
  let link: Link | null = null
  let nextCall = 1
  let pendingBytes = 0
  let greeted = false
  let givenUp = false

  const send = (frame: Frame) => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame))
  }
  const ack = (session: SessionId, epoch: number, n: number) =>
    send({ jsonrpc: '2.0', method: 'ack', params: { session, epoch, n } })
  const close = (code: number, reason: string) => {
    givenUp = true
    socket.close(code, reason.slice(0, 120))
    // A peer that never answers the closing handshake must not hold the connection.
    setTimeout(() => socket.terminate(), 2_000).unref()
  }
  const helloTimer = setTimeout(() => {
    if (!link) close(linkClose.protocolError, 'no hello in time')
  }, helloTimeoutMs)

  function call<M extends DownMethod>(method: M, params: DownParams<M>, timeoutMs: number): Promise<DownResult<M>> {
    if (socket.readyState !== socket.OPEN) return Promise.reject(new Error('the link to the supervisor is gone'))
    const callId = `s${nextCall++}`
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        calls.delete(callId)
      }
      const timer = setTimeout(() => {
        settle()
        reject(new Error(`the supervisor did not answer ${method} within ${timeoutMs} ms`))
      }, timeoutMs)
      calls.set(callId, {
        resolve(result) {
          settle()
          const checked = downMethods[method].result.safeParse(result)
          if (checked.success) {
            if (method === 'session.assign') assigned.add(params.session)
            resolve(checked.data as DownResult<M>)
          } else reject(new Error(`the supervisor answered ${method} with something else: ${checked.error.message}`))
        },
        reject(error) {
          settle()
          reject(error)
        },
      })
      if (method === 'session.release') assigned.delete(params.session)
      send({ jsonrpc: '2.0', id: callId, method, params })
    })
  }

  async function greet(requestId: string | number, params: unknown): Promise<void> {
    const hello = helloSchema.safeParse(params)
    if (givenUp) return
    if (!hello.success || greeted) return close(linkClose.protocolError, 'bad hello')
    greeted = true
    const answer = await handlers.hello(hello.data, id)
    clearTimeout(helloTimer)
    if ('refused' in answer) {
      if (answer.refused === 'protocol') return close(linkClose.unsupportedProtocol, 'another protocol')
      return close(linkClose.fenced, 'a newer supervisor, or another boot')
    }
    const { welcome } = answer
    for (const session of welcome.sessions) if (!('release' in session)) assigned.add(session.id)
    if (socket.readyState !== socket.OPEN) return
    const now = performance.now()
    link = {
      id,
      sandboxId,
      bootId,
      incarnation: hello.data.incarnation,
      connectedAt: now,
      lastSeenAt: now,
      serves: (session) => assigned.has(session),
      call,
      close,
    }
    send({ jsonrpc: '2.0', id: requestId, result: welcome })
    handlers.opened(link)
  }

  async function append(params: unknown, bytes: number): Promise<void> {
    // What follows events that were given back would only be a hole. The last words of a peer that hung up are taken.
    if (givenUp) return
    const frame = eventsSchema.safeParse(params)
    if (!frame.success) return close(linkClose.protocolError, 'bad events frame')
    if (!assigned.has(frame.data.session)) {
      // Not this sandbox's: it may have been deleted since. Acked, so that the supervisor can forget it.
      return ack(frame.data.session, frame.data.epoch, frame.data.from + frame.data.events.length - 1)
    }
    pendingBytes += bytes
    if (pendingBytes > readAheadBytes) socket.pause()
    try {
      const { epoch, n } = await handlers.offer(frame.data)
      ack(frame.data.session, epoch, n)
    } catch (error) {
      if (givenUp) return
      if (error instanceof HoleError) return close(linkClose.protocolError, error.message)
      logger.warn({ sandboxId, error }, 'events could not be stored; the supervisor will send them again')
      close(1013, 'not stored; try again')
    } finally {
      pendingBytes -= bytes
      if (pendingBytes <= readAheadBytes && socket.isPaused) socket.resume()
    }
  }

  function receive(data: RawData, isBinary: boolean): void {
    if (givenUp) return
    if (link) link.lastSeenAt = performance.now()
    const text = data.toString()
    const frame = isBinary ? null : parseFrame(text)
    if (socket.bufferedAmount > unreadBytes) close(1013, 'our answers are not read')
    else if (!frame) close(linkClose.protocolError, 'not a JSON-RPC frame')
    else if ('method' in frame) obey(frame, text.length)
    else if ('error' in frame)
      calls.get(String(frame.id))?.reject(new CommandRefused(frame.error.code, frame.error.message))
    else calls.get(String(frame.id))?.resolve(frame.result)
  }

  function obey(frame: Extract<Frame, { method: string }>, bytes: number): void {
    if (frame.method === 'hello' && 'id' in frame) void greet(frame.id, frame.params).catch(fail)
    else if (!link) close(linkClose.protocolError, `${frame.method} before hello`)
    else if (frame.method === 'events') void append(frame.params, bytes).catch(fail)
    else if (frame.method !== 'heartbeat') close(linkClose.protocolError, `unknown method ${frame.method}`)
  }

  function fail(error: unknown): void {
    logger.error({ sandboxId, error }, 'the link to a supervisor failed')
    close(1011, 'our fault')
  }

  socket.on('message', receive)
  socket.on('error', (error) => logger.warn({ sandboxId, error: error.message }, 'socket error on a supervisor link'))
  socket.on('close', () => {
    clearTimeout(helloTimer)
    for (const waiting of [...calls.values()]) waiting.reject(new Error('the link to the supervisor is gone'))
    handlers.closed(link)
  })
}

function parseFrame(text: string): Frame | null {
  try {
    const frame = frameSchema.safeParse(JSON.parse(text))
    return frame.success ? frame.data : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
