/** For tests and benchmarks: `/stream` on a port, over real sessions, tickets and a real log; no sandbox ever starts. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { ConnectedFrame, Envelope, SessionId, StreamFrame } from '@corral/protocol'
import type { Logger } from 'pino'
import { WebSocket } from 'ws'
import type { Callbacks } from '../../callbacks/callbacks.ts'
import { defaultTimers } from '../../config.ts'
import { createCredits } from '../../credits/credits.ts'
import type { Database } from '../../database/transaction.ts'
import type { Caller } from '../../identity/caller.ts'
import type { Identity } from '../../identity/identity.ts'
import { quietLogger, type TestIdentity, testIdentity } from '../../identity/testIdentity.ts'
import { createLog, type Log } from '../../log/log.ts'
import { createOutboundPolicy } from '../../outbound/policy.ts'
import { testSecrets } from '../../sessions/configuration/testSecrets.ts'
import { createSessions } from '../../sessions/create.ts'
import { createSink } from '../../sessions/executions/sink.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import { createLinks } from '../../supervisors/links.ts'
import { testCallbacks } from '../../testing/callbacks.ts'
import { createStream, type Stream } from './stream.ts'
import type { StreamTimers } from './viewer.ts'

export type Watching = {
  socket: WebSocket
  frames: StreamFrame[]
  /** As they came over the wire. */
  texts: string[]
  protocol(): string
  events(): Envelope[]
  connected(): ConnectedFrame[]
  closed: Promise<number>
}
export type Refused = { status: number; body: unknown }

export type ServedStream = AsyncDisposable & {
  url: string
  log: Log
  sessions: Sessions
  callbacks: Callbacks
  stream: Stream
  caller: Caller
  addSession(caller?: Caller): Promise<SessionId>
  append(session: SessionId, contents: string[]): Promise<number[]>
  ticket(session: SessionId, userId?: string): Promise<string>
  /** Resolves when the socket is open, or refused. */
  dial(query: Record<string, string> | string, options?: DialOptions): Promise<Watching | Refused>
  /** With a fresh ticket; throws when it is refused. */
  watch(session: SessionId, query?: Record<string, string>): Promise<Watching>
}
type DialOptions = { protocols?: string[]; headers?: Record<string, string>; origin?: string; autoPong?: boolean }

/** With users, organizations and keys in a database of its own. */
export async function testStream(
  options: { timers?: StreamTimers; allowedOrigins?: string[]; logger?: Logger } = {},
): Promise<ServedStream & TestIdentity> {
  const world = await testIdentity()
  const served = await serveStream({ ...world, userId: world.operator.userId, ...options })
  async function dispose() {
    await served[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  }
  return { ...world, ...served, [Symbol.asyncDispose]: dispose }
}

export async function serveStream(options: {
  database: Database
  identity: Identity
  userId: string
  timers?: StreamTimers
  allowedOrigins?: string[]
  logger?: Logger
}): Promise<ServedStream> {
  const { database, identity, userId, logger = quietLogger } = options
  const wake = () => undefined
  const callbacks = testCallbacks(database)
  const log = createLog({
    database,
    sink: createSink({ timers: defaultTimers, callbacks: callbacks.owe, wake }),
    redact: (_session, events) => events,
    logger,
  })
  const links = createLinks({ database, offer: log.offer, changed: wake, logger })
  const sessions = createSessions({
    database,
    log,
    links,
    membership: identity.membership,
    ...testSecrets(),
    credits: createCredits({ minimumUsd: 1, isPriced: () => true }),
    callbackTargets: callbacks.targets,
    repositories: { localRoots: [], outbound: createOutboundPolicy({ allowPrivateHosts: [] }) },
    chooseAgent: async (kind = 'opencode') => ({ kind, version: '1.18.33' }),
    checkModel: async () => null,
    codeHost: () => null,
    defaultModel: 'scripted/demo',
    wake,
    timers: defaultTimers,
  })
  const stream = createStream({
    sessions,
    log,
    tickets: identity.tickets,
    standings: identity.standings,
    allowedOrigins: options.allowedOrigins ?? [],
    logger,
    ...(options.timers && { timers: options.timers }),
  })
  const server = createServer((_request, response) => response.writeHead(404).end())
  server.on('upgrade', stream.handleUpgrade)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = `ws://127.0.0.1:${port}`
  const caller: Caller = { userId, botId: null, internal: false }

  async function ticket(session: SessionId, holder = userId): Promise<string> {
    const issued = await identity.tickets.issue({
      purpose: 'stream',
      userId: holder,
      kiloSessionId: 'ses_0000000000000000000000000A',
      cloudAgentSessionId: session,
      organizationId: null,
      credential: { kind: 'token' },
    })
    return issued.ticket
  }

  async function dial(query: Record<string, string> | string, dialOptions: DialOptions = {}) {
    const { protocols = [], ...rest } = dialOptions
    const search = typeof query === 'string' ? query : new URLSearchParams(query)
    const socket = new WebSocket(`${url}/stream?${search}`, protocols, rest)
    const texts: string[] = []
    const frames: StreamFrame[] = []
    socket.on('message', (data) => {
      texts.push(String(data))
      frames.push(...[JSON.parse(String(data))].flat())
    })
    const closed = new Promise<number>((resolve) => socket.on('close', resolve))
    return new Promise<Watching | Refused>((resolve, reject) => {
      socket.on('error', reject)
      socket.on('unexpected-response', async (_request, response) => {
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(String(await buffer(response))) })
      })
      socket.on('open', () =>
        resolve({
          socket,
          frames,
          texts,
          closed,
          protocol: () => socket.protocol,
          events: () => frames.filter((frame) => frame.streamEventType !== 'connected'),
          connected: () => frames.filter((frame) => frame.streamEventType === 'connected'),
        }),
      )
    })
  }

  return {
    url,
    log,
    sessions,
    callbacks,
    stream,
    caller,
    async addSession(owner = caller) {
      const input = { prompt: 'Say hello', mode: 'code', model: 'scripted/demo', githubRepo: 'corral/sample' }
      return (await sessions.start(owner, input)).cloudAgentSessionId
    },
    append: (session, contents) =>
      database.transaction((tx) =>
        log.appendIn(
          tx,
          session,
          contents.map((content) => ({ type: 'output', data: JSON.stringify({ content, source: 'stdout' }) })),
        ),
      ),
    ticket,
    dial,
    async watch(session, query = {}) {
      const watching = await dial({ cloudAgentSessionId: session, ticket: await ticket(session), ...query })
      if ('status' in watching) throw new Error(`refused: ${JSON.stringify(watching)}`)
      return watching
    },
    async [Symbol.asyncDispose]() {
      await stream.close()
      await new Promise((resolve) => server.close(resolve))
      await callbacks.close()
      await links.close()
      await log.close()
    },
  }
}
