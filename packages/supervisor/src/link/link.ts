/**
 * The supervisor's only way to the server: dials, says hello, stays connected for ever. Invariants: commands are
 * taken only after the welcome was applied; one connection counts at a time, and what an older one still says is
 * ignored; nothing here ends the supervisor but being fenced off.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  ackSchema,
  type Hello,
  linkClose,
  linkSubprotocol,
  type SessionId,
  type Welcome,
  welcomeSchema,
} from '@corral/protocol'
import { WebSocket } from 'ws'
import { errorText } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
import type { SessionSpool } from '../spool/sessionSpool.ts'
import { createOutbox, type Outbox } from './outbox.ts'
import { createPeer } from './peer.ts'
import type { LinkTimers } from './timers.ts'

/** Past this much in the socket, events wait in the spool. */
const socketBytes = 512 * 1024
const maxFrameBytes = 16 * 1024 * 1024

export type Link = {
  /** Resolves when the server has fenced this supervisor off, or after `close`. */
  run(): Promise<'fenced' | 'closed'>
  /** Something was spooled: send it when there is a connection. */
  pump(): void
  /** This session's events are sent from now on, as those that the welcome named. */
  open(session: SessionId): void
  /** This session's events are no longer sent. */
  drop(session: SessionId): void
  close(): void
}

export type LinkHandlers = {
  hello(): Hello
  /** Applies the welcome; commands are taken when it has returned. Answers the sessions whose events may be sent. */
  welcome(welcome: Welcome): SessionId[]
  command(method: string, params: unknown): unknown
  spool(session: SessionId): SessionSpool | undefined
}

export function createLink(options: {
  /** A Unix socket's path, or `wss://host`. */
  door: string
  token: string
  timers: LinkTimers
  handlers: LinkHandlers
  log: Log
}): Link {
  const { door, token, timers, handlers, log } = options
  const closing = new AbortController()
  let current: { outbox: Outbox; socket: WebSocket } | null = null

  /** One connection, from dialling to its end. */
  function connect(): Promise<{ greeted: boolean; code: number }> {
    const url = door.startsWith('/') ? `ws+unix:${door}:/link` : `${door.replace(/\/$/, '')}/link`
    const socket = new WebSocket(url, [linkSubprotocol], {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: timers.connectMs,
      maxPayload: maxFrameBytes,
      perMessageDeflate: false,
    })
    return new Promise((resolve) => {
      const peer = createPeer({
        send: (text) => {
          if (socket.readyState === WebSocket.OPEN) socket.send(text)
        },
        handle(method, params) {
          // A command may arrive together with the welcome, before that is applied.
          if (method !== 'ack') return welcomed.promise.then(() => handlers.command(method, params))
          const ack = ackSchema.safeParse(params)
          if (ack.success) outbox.acked(ack.data.session, ack.data.epoch, ack.data.n)
          else socket.close(linkClose.protocolError, 'bad ack')
          return undefined
        },
        malformed: (why) => socket.close(linkClose.protocolError, why),
        failed: (method, error) => log('error', `${method} failed`, { error: errorText(error) }),
      })
      const outbox = createOutbox({
        spool: handlers.spool,
        ready: () => socket.readyState === WebSocket.OPEN && socket.bufferedAmount < socketBytes,
        send: (frame) => socket.send(frame, () => outbox.pump()),
      })
      const abandon = () => socket.terminate()
      closing.signal.addEventListener('abort', abandon)
      const welcomed = Promise.withResolvers<void>()
      let greeted = false
      let lastHeardAt = performance.now()
      const heartbeat = setInterval(() => {
        if (performance.now() - lastHeardAt > timers.silenceMs) return socket.terminate()
        if (socket.readyState !== WebSocket.OPEN) return
        socket.ping()
        if (greeted) peer.notify('heartbeat', {})
      }, timers.heartbeatMs)

      async function greet(): Promise<void> {
        const welcome = welcomeSchema.parse(await peer.request('hello', handlers.hello(), timers.helloMs))
        for (const session of handlers.welcome(welcome)) outbox.open(session)
        greeted = true
        welcomed.resolve()
        current = { outbox, socket }
        log('info', 'connected', { linkId: welcome.linkId, sessions: welcome.sessions.length })
        outbox.pump()
      }

      socket.on('open', () => {
        greet().catch((error: unknown) => {
          log('warn', 'the server did not welcome this supervisor', { error: errorText(error) })
          socket.terminate()
        })
      })
      socket.on('message', (data) => {
        lastHeardAt = performance.now()
        peer.receive(data.toString())
      })
      socket.on('pong', () => {
        lastHeardAt = performance.now()
      })
      socket.on('error', (error) => log('info', 'the link failed', { error: error.message }))
      socket.on('close', (code) => {
        clearInterval(heartbeat)
        closing.signal.removeEventListener('abort', abandon)
        peer.close('the link is gone')
        if (current?.socket === socket) current = null
        resolve({ greeted, code })
      })
    })
  }

  return {
    async run() {
      let waitMs = timers.reconnectMinMs
      while (!closing.signal.aborted) {
        const { greeted, code } = await connect()
        if (closing.signal.aborted) break
        if (code === linkClose.fenced) return 'fenced'
        if (greeted) waitMs = timers.reconnectMinMs
        const jittered = waitMs * (0.5 + Math.random() / 2)
        await delay(jittered, undefined, { signal: closing.signal }).catch(ignoreAbort)
        waitMs = Math.min(waitMs * 2, timers.reconnectMaxMs)
      }
      return 'closed'
    },
    pump: () => current?.outbox.pump(),
    open: (session) => current?.outbox.open(session),
    drop: (session) => current?.outbox.drop(session),
    close: () => closing.abort(),
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error
}
