/** For tests: a gateway over a database of its own, the scripted model behind it, and sessions that may call it. */
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type NetConnectOpts, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import {
  type ExecutionId,
  type Network,
  newAgentSessionId,
  newBootId,
  newExecutionId,
  newSandboxId,
  newSessionId,
  type SessionId,
} from '@corral/protocol'
import { type ScriptedModelControl, scriptedModelControl, startScriptedModel } from '@corral/scripted-model'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { pino } from 'pino'
import { Agent, type Dispatcher, request } from 'undici'
import { networkVisit } from '../database/gatewayTables.ts'
import * as schema from '../database/schema.ts'
import { createSealing } from '../secrets/sealing.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { type GatewaySettings, gatewayConfigSchema } from './gatewayConfig.ts'
import { issueGatewayToken } from './tokens.ts'

/** What the operator has configured; it must be nowhere else. */
export const operatorKey = 'sk-operator-3f1c9b'

const sealKey = randomBytes(32)
const sealing = createSealing({ key: sealKey })

export type TestSession = { id: SessionId; token: string; running: ExecutionId | null }

export type TestGateway = AsyncDisposable & {
  folder: string
  database: TestDatabase
  scripted: ScriptedModelControl & { url: string }
  settings: GatewaySettings
  /** All log lines of gateways in this process. */
  logged(): string
  /** Another one with the same settings, but for some of them. */
  start(changes?: Partial<GatewaySettings>): Promise<Gateway>
  /** Ends all of them at once. */
  close(): Promise<void>
  /** A session in a sandbox that runs; with `running`, one with a running execution. */
  session(of?: {
    repository?: string
    model?: string
    fallbackModels?: string[]
    upstreamBranch?: string
    sessionBranch?: string
    running?: boolean
    /** Null: a personal session. */
    organizationId?: string | null
    userId?: string
    platform?: 'github' | 'gitlab'
    network?: Network
    /** What of its configuration is secret. */
    secret?: object
  }): Promise<TestSession>
  /** A call through the door, as a program in the sandbox makes it. */
  call(path: string, options?: Partial<Dispatcher.RequestOptions>): Promise<Dispatcher.ResponseData>
  /** The door on a TCP port, as the sandbox has it for git. */
  doorUrl: string
  /** What the session's programs reached, and what they were refused. */
  visits(
    of: TestSession,
  ): Promise<
    { host: string; port: number; refused: string; visits: number; sentBytes: number; receivedBytes: number }[]
  >
}

export async function testGateway(given: Partial<GatewaySettings> = {}): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-gateway-'))
  const database = await testDatabase()
  const scripted = await startScriptedModel()
  const orm = drizzle(database.pool, { schema })
  const lines: string[] = []
  const log = pino(
    { level: 'trace' },
    new Writable({
      write: (line, _, done) => {
        lines.push(String(line))
        done()
      },
    }),
  )
  const settings: GatewaySettings = {
    version: 'test',
    socket: join(folder, 'doors', 'gateway.sock'),
    controlSocket: join(folder, 'control', 'control.sock'),
    stateFolder: join(folder, 'state'),
    databaseUrl: database.url,
    sealKey: sealKey.toString('base64'),
    ...given,
    upstreams: { scripted: { baseUrl: scripted.url, apiKey: operatorKey }, ...given.upstreams },
  }
  const started: Gateway[] = []
  async function start(changes: Partial<GatewaySettings> = {}): Promise<Gateway> {
    const gateway = await startGateway({ config: gatewayConfigSchema.parse({ ...settings, ...changes }), log })
    started.push(gateway)
    return gateway
  }
  await start()

  const close = async () => {
    await Promise.all(started.splice(0).map((gateway) => gateway.close()))
  }
  const door = new Agent({ connect: { socketPath: settings.socket } })
  const tcp = await forward({ path: settings.socket })

  return {
    folder,
    database,
    scripted: { ...scriptedModelControl(scripted.url), url: scripted.url },
    settings,
    logged: () => lines.join(''),
    start,
    close,
    async session({
      repository = 'https://github.com/acme/app',
      model = 'scripted/demo',
      fallbackModels,
      upstreamBranch,
      sessionBranch,
      running,
      organizationId = 'org-1',
      userId = 'user-1',
      platform,
      network,
      secret,
    } = {}) {
      const id = newSessionId()
      const sandboxId = newSandboxId()
      const bootId = newBootId()
      await orm.insert(schema.sandbox).values({ id: sandboxId, name: id, driver: 'test', state: 'ready', bootId })
      await orm.insert(schema.session).values({
        ...{ id, sandboxId, repository, state: 'open', userId, organizationId },
        ...{ agentSessionId: newAgentSessionId(), agentKind: 'opencode', agentVersion: '1', title: 'Test' },
        configuration: {
          ...{
            prompt: 'p',
            mode: 'code',
            model,
            fallbackModels,
            upstreamBranch,
            sessionBranch,
            platform,
            network,
            hasCallback: false,
          },
          ...{ autoCommit: false, condenseOnComplete: false, shallow: false, createdOnPlatform: 'test' },
          counts: { envVars: 0, secrets: 0, setupCommands: 0, mcpServers: 0 },
        },
      })
      if (secret) {
        const sealed = sealing.seal(JSON.stringify(secret), { table: 'session_secret', id })
        await orm.insert(schema.sessionSecret).values({ sessionId: id, sealed, envelopes: {} })
      }
      const runningId = running ? newExecutionId() : null
      if (runningId) {
        await orm.insert(schema.execution).values({
          ...{ id: runningId, sessionId: id, state: 'running', queuedSeq: 1, prompt: 'p', messageId: 'm', partId: 'p' },
          request: { mode: 'code', model, autoCommit: false, condenseOnComplete: false },
        })
      }
      const token = await issueGatewayToken(orm, { sessionId: id, sandboxId, bootId, secret: randomUUID() })
      return { id, token, running: runningId }
    },
    call: (path, options) => request(`http://gateway${path}`, { dispatcher: door, method: 'GET', ...options }),
    doorUrl: tcp.url,
    visits: ({ id }) =>
      orm
        .select()
        .from(networkVisit)
        .where(eq(networkVisit.sessionId, id))
        .orderBy(networkVisit.host, networkVisit.refused),
    async [Symbol.asyncDispose]() {
      await tcp.close()
      await door.destroy()
      await close()
      await scripted.close()
      await database[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The body of a chat that plays a scenario. */
export const chat = (play: string, more: object = {}): string =>
  JSON.stringify({
    model: 'scripted/demo',
    stream: true,
    stream_options: { include_usage: true },
    messages: [{ role: 'user', content: `play: ${play}` }],
    ...more,
  })

export const bearer = (token: string) => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' })

/** A way through TCP to somewhere, that can be cut and mended. */
export async function forward(to: NetConnectOpts): Promise<{
  port: number
  url: string
  /** `refused`: nobody listens. `silent`: connections are taken and never answered. */
  cut(how: 'refused' | 'silent'): Promise<void>
  mend(): Promise<void>
  close(): Promise<void>
}> {
  const open = new Set<{ destroy(): void }>()
  let silent = false
  const make = () =>
    createServer((near) => {
      open.add(near.on('error', () => {}))
      if (silent) return
      const far = connect(to)
      open.add(far.on('error', () => near.destroy()))
      near.on('close', () => far.destroy())
      far.on('close', () => near.destroy())
      near.pipe(far).pipe(near)
    })
  let server = make()
  const listen = async (target: Server, port: number) => {
    target.listen(port, '127.0.0.1')
    await once(target, 'listening')
  }
  await listen(server, 0)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const { port } = address
  async function close(): Promise<void> {
    const closed = server.listening ? once(server, 'close') : null
    server.close()
    for (const socket of open) socket.destroy()
    open.clear()
    await closed
  }
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async cut(how) {
      silent = how === 'silent'
      await close()
      if (!silent) return
      server = make()
      await listen(server, port)
    },
    async mend() {
      await close()
      silent = false
      server = make()
      await listen(server, port)
    },
    close,
  }
}
