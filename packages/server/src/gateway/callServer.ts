/**
 * Takes the calls of sandboxes and hands each to the face whose path it is. One call on each connection, so that
 * draining is waiting for calls, and no connection is cut between two of them.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { createWaitingRoom } from '../host/waitingRoom.ts'
import { refuseGit } from './answers.ts'

export type CallFace = {
  /** For figures. */
  kind: 'models' | 'git' | 'rest' | 'mcp' | 'registries' | 'web'
  /** `path`: as it was sent, without the query. */
  serves(path: string): boolean
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>
}

export type CallServer = {
  server: Server
  /** Calls that run now. */
  active(): number
  /** How many have ended, by kind and by the class of their status; `broken` without an end of the answer. */
  ended(): { kind: string; outcome: string; count: number }[]
  /** Once those that run now have ended, their rows and log lines written. */
  settled(): Promise<unknown>
}

/** Connections that have not sent the head of their call: a door in a sandbox sends it at once. */
const strangers = 256
const strangerPatienceMs = 10_000

export function createCallServer(deps: {
  faces: CallFace[]
  /** For CONNECT. Settles when the tunnel has ended. */
  tunnel(request: IncomingMessage, client: Socket, head: Buffer): Promise<void>
  silenceMs: number
  log: Pick<Logger, 'error'>
}): CallServer {
  const { faces, silenceMs, log } = deps
  const active = new Set<Promise<void>>()
  const ended = new Map<string, { kind: string; outcome: string; count: number }>()

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = pathOf(request)
    const face = faces.find(({ serves }) => serves(path))
    if (!face)
      return refuseGit(
        response,
        404,
        'there is nothing at this path; the gateway serves models, git, registries and the web.',
      )
    try {
      response.once('close', () => note(face.kind, response))
      await face.answer(request, response)
    } catch (error) {
      // A client that goes away while it sends is nobody's fault.
      if (!request.destroyed) log.error({ error: String(error), path }, 'a call failed')
      if (response.headersSent) response.destroy()
      else refuseGit(response, 500, 'the gateway could not do this; try again.')
    }
  }

  function note(kind: CallFace['kind'], response: ServerResponse): void {
    const outcome = response.writableFinished ? `${Math.floor(response.statusCode / 100)}xx` : 'broken'
    const known = ended.get(`${kind} ${outcome}`)
    if (known) known.count++
    else ended.set(`${kind} ${outcome}`, { kind, outcome, count: 1 })
  }

  const waitingRoom = createWaitingRoom({ places: strangers, patienceMs: strangerPatienceMs })
  const server = createServer((request, response) => {
    waitingRoom.leave(request.socket)
    const call = answer(request, response).finally(() => active.delete(call))
    active.add(call)
  })
  server.on('connection', (socket) => waitingRoom.enter(socket))
  server.on('connect', (request, client: Socket, head) => {
    waitingRoom.leave(client)
    const call = deps
      .tunnel(request, client, head)
      .catch((error: unknown) => {
        if (!client.destroyed) log.error({ error: String(error), path: request.url }, 'a tunnel failed')
        client.destroy()
      })
      .finally(() => active.delete(call))
    active.add(call)
  })
  server.maxRequestsPerSocket = 1
  // A large push may take its time; what may not is silence.
  server.requestTimeout = 0
  server.timeout = silenceMs

  return {
    server,
    active: () => active.size,
    ended: () => [...ended.values()],
    settled: () => Promise.allSettled(active),
  }
}

const pathOf = ({ url = '' }: IncomingMessage): string => url.split('?', 1)[0] ?? ''
