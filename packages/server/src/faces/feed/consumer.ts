/**
 * One consumer's socket, from 101 to its close. Invariants: what is sent is read after the commit that it is about, under
 * the consumer's access at that time; one session is told at most once in 250 ms, with its last state; a consumer that
 * does not read costs the names of the sessions that changed, and nobody else's time.
 */
import { randomUUID } from 'node:crypto'
import { pongFrame, type SessionId, type SystemFrame } from '@corral/protocol'
import type { Logger } from 'pino'
import type { WebSocket } from 'ws'
import { z } from 'zod'
import type { SessionChanges } from '../../database/changes.ts'
import type { Caller } from '../../identity/caller.ts'
import type { LostSession, SessionRows } from '../../sessions/reads/rows.ts'
import { createWaiting, type Kind } from './waiting.ts'

export const feedClose = { protocolError: 1008, ourFault: 1011, stopping: 1012, accessEnded: 4403 } as const
export type FeedClose = keyof typeof feedClose

export type Consumer = { close(why: FeedClose): void; ended: Promise<void> }
export type FeedTimers = { everyMs: number; pingMs: number; silenceMs: number }

/** More than this in the socket, and it is asked again later whether the consumer reads. */
const fullBytes = 1024 * 1024
const goodbyeMs = 2_000
const ping = z.strictObject({ type: z.literal('ping') })

export function serveConsumer(options: {
  socket: WebSocket
  caller: Caller
  /** Null: all of the caller's. */
  only: ReadonlySet<string> | null
  rows: Pick<SessionRows, 'some' | 'lost'>
  changes: Pick<SessionChanges, 'listen'>
  timers: FeedTimers
  logger: Logger
}): Consumer {
  const { socket, caller, only, rows, changes, timers, logger } = options
  const waiting = createWaiting()
  /** Told to be gone; what becomes of them is nobody's business here until they are back. */
  const lost = new Set<SessionId>()
  let isReady = false
  let state: 'idle' | 'due' | 'sending' = 'idle'
  let timer: NodeJS.Timeout | undefined
  let goodbye: NodeJS.Timeout | undefined

  const isOpen = () => socket.readyState === socket.OPEN
  const send = (frame: SystemFrame | typeof pongFrame) => socket.send(JSON.stringify(frame))

  function close(why: FeedClose): void {
    socket.close(feedClose[why])
    goodbye ??= setTimeout(() => socket.terminate(), goodbyeMs)
  }

  function soon(ms: number): void {
    if (state !== 'idle' || waiting.isEmpty() || !isOpen()) return
    state = 'due'
    timer = setTimeout(() => void tell(), ms)
  }

  async function tell(): Promise<void> {
    if (socket.bufferedAmount > fullBytes) {
      timer = setTimeout(() => void tell(), timers.everyMs)
      return
    }
    state = 'sending'
    try {
      const taken = waiting.take()
      if (taken.kind === 'resync') send({ type: 'system', event: 'resync', data: {} })
      else for (const frame of await framesOf(taken.changes)) send(frame)
    } catch (error) {
      logger.warn({ error }, 'a consumer of the metadata feed could not be told; it reads again')
      waiting.overflow()
    }
    state = 'idle'
    soon(timers.everyMs)
  }

  async function framesOf(changed: ReadonlyMap<SessionId, Kind>): Promise<SystemFrame[]> {
    const ids = [...changed.keys()]
    const [seen, gone] = await Promise.all([rows.some(caller, ids), rows.lost(caller, ids)])
    const told = seen
      .filter(({ sessionId }) => only?.has(sessionId) ?? true)
      .map((session): SystemFrame => {
        const id = session.cloudAgentSessionId
        const wasLost = lost.delete(id)
        const { revision } = session
        const event = wasLost ? 'session.created' : frameNames[changed.get(id) ?? 'updated']
        return { type: 'system', event, data: { source: 'v2', session, changedAt: Date.now(), revision } }
      })
    const left = gone.filter(({ row }) => !lost.has(row.cloudAgentSessionId) && (only?.has(row.sessionId) ?? true))
    for (const { row } of left) lost.add(row.cloudAgentSessionId)
    return [...told, ...left.map(deletedFrame)]
  }

  const forget = changes.listen({
    begun() {
      if (isReady) waiting.overflow()
      else send({ type: 'system', event: 'ready', data: { connectionId: randomUUID() } })
      isReady = true
      soon(0)
    },
    changed({ kind, session, userId }) {
      if (userId !== caller.userId) return
      waiting.add(session, kind)
      // What is written in one go comes in one go.
      soon(timers.everyMs / 10)
    },
  })

  const beat = setInterval(() => socket.ping(), timers.pingMs)
  const silence = setTimeout(() => socket.terminate(), timers.silenceMs)
  socket.on('pong', () => silence.refresh())
  socket.on('message', (data, isBinary) => {
    if (!isBinary && isPing(String(data))) send(pongFrame)
    else close('protocolError')
  })
  socket.on('error', (error) => logger.debug({ error: error.message }, 'the socket of a consumer failed'))
  const ended = new Promise<void>((resolve) => {
    socket.on('close', () => {
      forget()
      clearInterval(beat)
      for (const each of [silence, timer, goodbye]) clearTimeout(each)
      resolve()
    })
  })
  return { close, ended }
}

const frameNames = {
  created: 'session.created',
  updated: 'session.updated',
  status: 'session.status.updated',
} as const satisfies Record<Kind, string>

function deletedFrame({ row, deletedAt }: LostSession): SystemFrame {
  const { sessionId, cloudAgentSessionId, parentSessionId, organizationId } = row
  const { gitUrl, gitBranch, createdOnPlatform, revision } = row
  const names = { sessionId, cloudAgentSessionId, parentSessionId, organizationId }
  const place = { gitUrl, gitBranch, createdOnPlatform }
  return {
    type: 'system',
    event: 'session.deleted',
    data: { source: 'v2', ...names, ...place, deletedAt, revision },
  }
}

function isPing(text: string): boolean {
  try {
    return ping.safeParse(JSON.parse(text)).success
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}
