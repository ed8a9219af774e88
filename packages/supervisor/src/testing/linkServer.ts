/**
 * The server's side of the link for tests: a real WebSocket server on a Unix socket that keeps what it is sent by the
 * rule of the log (numbers without a hole, nothing twice), welcomes with what it has, and can be cut off or be slow.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  type Checkpoint,
  checkpointSchema,
  type DownMethod,
  type DownParams,
  eventsSchema,
  frameSchema,
  type Hello,
  helloSchema,
  linkSubprotocol,
  type SessionId,
  type UpEvent,
  type Welcome,
} from '@corral/protocol'
import { type WebSocket, WebSocketServer } from 'ws'
import { newOnes } from './takes.ts'

export type Received = {
  type: UpEvent['type']
  executionId?: string
  data: Record<string, unknown>
  epoch: number
  n: number
}

export type LinkServer = {
  hellos: Hello[]
  checkpoints: ReturnType<typeof createCheckpointShelf>
  heartbeats(): number
  /** Authorization headers of the connections so far. */
  tokens: string[]
  events: Received[]
  /** What the next welcomes say; `epoch` 1 and no running execution when nothing is set. */
  assign(session: SessionId, told?: Partial<Extract<Welcome['sessions'][number], { epoch: number }>>): void
  release(session: SessionId): void
  /** While true, events are kept and not acked. */
  holdAcks(hold: boolean): void
  /** Most events that were unacked at a time, since acks were held. */
  unacked(): number
  call<M extends DownMethod>(method: M, params: DownParams<M>): Promise<unknown>
  /** Closes the connection; the supervisor comes again. */
  cut(code?: number): void
  /** The present connection stays open, and nothing is read from it or sent on it any more. */
  freeze(): void
  /** The server is gone until `listen`. */
  close(): Promise<void>
  listen(): Promise<void>
  until<T>(look: () => T | undefined | false, boundMs?: number): Promise<T>
  event(type: UpEvent['type'], where?: (event: Received) => boolean): Promise<Received>
}

/** Keeps what is brought to it as the server does, without asking whose it is. */
function createCheckpointShelf() {
  const blobs = new Map<string, Buffer>()
  const recorded = new Map<string, Checkpoint>()
  let refuseWith: number | null = null
  let held: { hash: string; reached: () => void; go: Promise<void>; letGo: () => void } | null = null

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    const body = Buffer.concat(await Array.fromAsync(request))
    const blob = blobs.get(path)
    const answer = (status: number, content?: Buffer) => void response.writeHead(status).end(content)
    if (refuseWith) return answer(refuseWith)
    if (held && path.endsWith(held.hash)) {
      held.reached()
      await held.go
    }
    if (request.method !== 'PUT') return blob ? answer(200, request.method === 'GET' ? blob : undefined) : answer(404)
    if (path.includes('/blobs/')) blobs.set(path, body)
    else recorded.set(path.replace('/checkpoints/', ''), checkpointSchema.parse(JSON.parse(body.toString())))
    answer(204)
  }
  return {
    serve,
    blobs,
    /** What was recorded last of a session. */
    of: (session: SessionId): Checkpoint | undefined => recorded.get(session),
    /** Resolves when this blob is asked for; the answer waits for `letGo`. */
    holdAt(hash: string): Promise<void> {
      const { promise: reached, resolve } = Promise.withResolvers<void>()
      const { promise: go, resolve: letGo } = Promise.withResolvers<void>()
      held = { hash, reached: resolve, go, letGo }
      return reached
    },
    letGo() {
      held?.letGo()
      held = null
    },
    /** From now on every question gets this answer; null for none. */
    refuse(status: number | null) {
      refuseWith = status
    },
  }
}

export async function startLinkServer(socketPath: string): Promise<LinkServer> {
  const hellos: Hello[] = []
  const tokens: string[] = []
  const events: Received[] = []
  const assigned = new Map<SessionId, Extract<Welcome['sessions'][number], { epoch: number }>>()
  const released = new Set<SessionId>()
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  let heartbeats = 0
  let holding = false
  let held: { session: SessionId; epoch: number; n: number }[] = []
  let socket: WebSocket | null = null
  let nextId = 1
  let linkId = 0
  const checkpoints = createCheckpointShelf()
  const open = () => createServer((request, response) => void checkpoints.serve(request, response))
  let http = open()
  let webSockets = new WebSocketServer({ noServer: true })

  const send = (frame: unknown) => socket?.send(JSON.stringify({ jsonrpc: '2.0', ...Object(frame) }))
  const ack = (params: { session: SessionId; epoch: number; n: number }) => send({ method: 'ack', params })

  function receive(frameEvents: unknown): void {
    const frame = eventsSchema.parse(frameEvents)
    const head = assigned.get(frame.session)
    if (head && frame.epoch === head.epoch) {
      for (const { n, event } of newOnes(head.ackedN, frame)) {
        head.ackedN = n
        events.push({ ...(event as Omit<Received, 'epoch' | 'n'>), epoch: frame.epoch, n })
      }
    }
    const position = { session: frame.session, epoch: frame.epoch, n: frame.from + frame.events.length - 1 }
    if (holding) held.push(position)
    else ack(position)
  }

  function serve(connection: WebSocket): void {
    socket = connection
    connection.on('message', (data) => {
      const frame = frameSchema.parse(JSON.parse(data.toString()))
      if (!('method' in frame)) {
        const call = waiting.get(Number(frame.id))
        waiting.delete(Number(frame.id))
        if ('error' in frame) call?.reject(new Error(`${frame.error.code}: ${frame.error.message}`))
        else call?.resolve(frame.result)
      } else if (frame.method === 'hello' && 'id' in frame) {
        hellos.push(helloSchema.parse(frame.params))
        const sessions: Welcome['sessions'] = [
          ...assigned.values(),
          ...[...released].map((id) => ({ id, release: true as const })),
        ]
        send({ id: frame.id, result: { linkId: `link-${++linkId}`, sessions } satisfies Welcome })
      } else if (frame.method === 'events') receive(frame.params)
      else if (frame.method === 'heartbeat') heartbeats++
    })
  }

  async function until<T>(look: () => T | undefined | false, boundMs = 8_000): Promise<T> {
    const deadline = performance.now() + boundMs
    for (;;) {
      const found = look()
      if (found !== undefined && found !== false) return found
      if (performance.now() > deadline) {
        const seen = events
          .slice(-25)
          .map(({ type, data }) => `${type} ${JSON.stringify(data).slice(0, 120)}`)
          .join('\n')
        throw new Error(`Waited ${boundMs} ms for ${look}; the last events were:\n${seen}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async function listen(): Promise<void> {
    http = open()
    webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => linkSubprotocol })
    http.on('upgrade', (request, stream, head) => {
      tokens.push(request.headers.authorization ?? '')
      webSockets.handleUpgrade(request, stream, head, serve)
    })
    await new Promise<void>((resolve) => http.listen(socketPath, resolve))
  }
  await listen()

  return {
    checkpoints,
    hellos,
    tokens,
    events,
    heartbeats: () => heartbeats,
    assign(id, told = {}) {
      const before = assigned.get(id) ?? { id, epoch: 1, ackedN: 0, mayRun: null }
      assigned.set(id, { ...before, ...told })
    },
    release(id) {
      assigned.delete(id)
      released.add(id)
    },
    holdAcks(hold) {
      holding = hold
      if (hold) return
      for (const position of held) ack(position)
      held = []
    },
    unacked: () => held.length,
    call(method, params) {
      const id = nextId++
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        send({ id, method, params })
      })
    },
    cut: (code = 1012) => socket?.close(code),
    freeze: () => socket?.pause(),
    async close() {
      for (const client of webSockets.clients) client.terminate()
      await new Promise<void>((resolve) => http.close(() => resolve()))
    },
    listen,
    until,
    event: (type, where = () => true) => until(() => events.find((event) => event.type === type && where(event))),
  }
}
