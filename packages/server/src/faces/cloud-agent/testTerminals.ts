/**
 * For tests: terminals from the public ports to a real supervisor in a real bubblewrap sandbox, whose workspace is ready;
 * no agent ever runs in it. The server's part can be stopped and started again, as by an upgrade.
 */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { newBootId, newSandboxId, type PtyId, type SessionId, sessionState, type TerminalNews } from '@corral/protocol'
import { serve } from '@hono/node-server'
import { eq } from 'drizzle-orm'
import { expect, vi } from 'vitest'
import { WebSocket } from 'ws'
import { defaultTimers } from '../../config.ts'
import { createBudgets } from '../../credits/budgets.ts'
import { createCredits } from '../../credits/credits.ts'
import { sandbox, session } from '../../database/schema.ts'
import { hostUserIdsUsable } from '../../host/hostUser.ts'
import { newHostUser } from '../../host/newHostUser.ts'
import { quietLogger, testIdentity } from '../../identity/testIdentity.ts'
import { createLog } from '../../log/log.ts'
import { createOutboundPolicy } from '../../outbound/policy.ts'
import { bubblewrapDriver } from '../../sandboxes/bubblewrap.ts'
import { sandboxFolder, sandboxPaths } from '../../sandboxes/layout.ts'
import { createUploads } from '../../sessions/attachments/uploads.ts'
import { testSecrets } from '../../sessions/configuration/testSecrets.ts'
import { createSessions } from '../../sessions/create.ts'
import { createSink } from '../../sessions/executions/sink.ts'
import { supervisorBundle } from '../../supervisors/bundle.ts'
import { createLinks } from '../../supervisors/links.ts'
import { createChannels } from '../../terminals/channels.ts'
import { createTerminals } from '../../terminals/terminals.ts'
import { testCallbacks } from '../../testing/callbacks.ts'
import { cloudAgentFace } from './routes.ts'
import { createStream } from './stream.ts'
import { createTerminalSocket, terminalPath } from './terminalSocket.ts'
import { bearer, preparation, testInstallation } from './testFace.ts'

const MiB = 1024 * 1024
const timers = { ...defaultTimers, accessCheckMs: 200 }

export type TerminalWorld = Awaited<ReturnType<typeof testTerminals>>

export async function testTerminals() {
  const world = await testIdentity()
  const { database, identity, operator } = world
  const home = mkdtempSync(join(tmpdir(), 'corral-'))
  chmodSync(home, 0o700)
  const [dataFolder, doorsFolder, agentsFolder] = [join(home, 'data'), join(home, 'doors'), join(home, 'agents')]
  for (const folder of [dataFolder, doorsFolder, agentsFolder]) mkdirSync(folder)
  const bundle = await supervisorBundle({ folder: join(home, 'bundle') })
  const driver = bubblewrapDriver({ dataFolder })

  async function startServer(port = 0) {
    const wake = () => undefined
    const callbacks = testCallbacks(database)
    const log = createLog({
      database,
      sink: createSink({ timers, callbacks: callbacks.owe, wake }),
      redact: (_, events) => events,
      logger: quietLogger,
    })
    const channels = createChannels({ patienceMs: timers.commandMs })
    const links = createLinks({
      ...{ database, offer: log.offer, changed: wake, upgrade: channels.admit, logger: quietLogger },
    })
    await links.listen(join(doorsFolder, 'server.sock'))
    const sessions = createSessions({
      ...{ database, log, links, membership: identity.membership, callbackTargets: callbacks.targets, wake, timers },
      ...testSecrets(),
      credits: createCredits({ minimumUsd: 1, isPriced: () => true }),
      repositories: { localRoots: [], outbound: createOutboundPolicy({ allowPrivateHosts: [] }) },
      chooseAgent: async (kind = 'opencode') => ({ kind, version: '1.18.33' }),
      checkModel: async () => null,
      codeHost: () => null,
      defaultModel: 'scripted/demo',
    })
    const terminals = createTerminals({
      ...{ access: sessions.access, links, channels, timers, logger: quietLogger },
      environmentOf: async () => ({ FROM_THE_SERVER: 'yes' }),
    })
    const common = { sessions, tickets: identity.tickets, standings: identity.standings, logger: quietLogger }
    const stream = createStream({ ...common, log, allowedOrigins: [] })
    const terminalSocket = createTerminalSocket({ ...common, terminals, allowedOrigins: [] })
    const face = cloudAgentFace({
      uploads: createUploads({ database }),
      ...{ sessions, callbacks, terminals, identity, log, installation: testInstallation, logger: quietLogger },
      budgets: createBudgets({ database }),
      secretsKey: { publicKey: 'a key', keyId: '1' },
      version: '0.1.0',
    })
    const server = serve({ fetch: face.fetch, port, hostname: '127.0.0.1' }) as Server
    server.on('upgrade', (request, socket, head) => {
      const { handleUpgrade } = request.url?.startsWith(terminalPath) ? terminalSocket : stream
      handleUpgrade(request, socket, head)
    })
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the server has no port')
    return {
      ...{ port: address.port, sessions, links, terminals },
      async stop() {
        await Promise.all([stream.close(), terminalSocket.close()])
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
        await callbacks.close()
        await links.close()
        await log.close()
      },
    }
  }

  let server = await startServer()

  async function call(path: string, input: unknown, key = operator.apiKey) {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(key) },
      body: JSON.stringify(input),
    })
    const body = await response.json()
    return {
      status: response.status,
      body,
      data: body?.result?.data,
      reason: body?.error?.data?.reason ?? body?.reason,
    }
  }

  /** Starts a sandbox that has this session, and resolves when its supervisor is linked. */
  async function startSandbox(id: SessionId) {
    const [sandboxId, bootId, linkToken] = [newSandboxId(), newBootId(), randomBytes(16).toString('hex')]
    const linkTokenHash = createHash('sha256').update(linkToken).digest()
    const row = { id: sandboxId, name: `corral__${sandboxId}`, driver: 'bubblewrap', state: 'starting' } as const
    await database.orm.insert(sandbox).values({ ...row, bootId, linkTokenHash })
    await database.orm.update(session).set({ sandboxId }).where(eq(session.id, id))
    const folder = sandboxFolder(dataFolder, sandboxId)
    const paths = sandboxPaths(folder)
    const hostUser = hostUserIdsUsable() ? newHostUser(null) : undefined
    const record = join(paths.state, sessionState(id).record)
    for (const path of [join(paths.workspace, 'app'), join(paths.home, 'own'), join(record, '..')]) {
      mkdirSync(path, { recursive: true })
    }
    writeFileSync(record, JSON.stringify(preparedRecord(id)))
    if (hostUser !== undefined) {
      execFileSync('chown', ['-R', `${hostUser}:${hostUser}`, paths.workspace, paths.home, paths.state])
    }
    const ref = await driver.start({
      ...{ sandboxId, bootId, folder, doorsFolder, supervisorBundle: bundle, nodeBinary: process.execPath },
      ...{ agentsFolder, linkToken, ...(hostUser === undefined ? {} : { hostUser }) },
      limits: { memoryBytes: 512 * MiB, processes: 200, diskBytes: 64 * MiB, cpus: null, cgroups: true },
    })
    const isLinked = () => expect(server.links.of(sandboxId)?.serves(id)).toBe(true)
    await vi.waitFor(isLinked, { timeout: 30_000, interval: 50 })
    return { sandboxId, isLinked, stop: () => driver.stop(ref, 5_000) }
  }

  async function ticket(id: SessionId, ptyId: PtyId, key?: string): Promise<string> {
    const input = { cloudAgentSessionId: id, purpose: 'terminal', ptyId }
    const { body } = await call('/api/cloud-agent/sessions/stream-ticket', input, key)
    return body.ticket
  }

  /** Resolves when the socket is open, or refused. */
  function dial(query: Record<string, string>, path = terminalPath) {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}?${new URLSearchParams(query)}`)
    const watched = watchedBy(socket)
    return new Promise<typeof watched | { status: number; body: { error?: string } }>((resolve, reject) => {
      socket.on('error', reject)
      socket.on('unexpected-response', async (_, response) => {
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(String(await buffer(response))) })
      })
      socket.on('open', () => resolve(watched))
    })
  }

  return {
    ...world,
    ...{ call, startSandbox, ticket, dial },
    server: () => server,
    trpc: (name: string, input: object, key?: string) => call(`/trpc/${name}`, input, key),
    async addSession(key?: string, organizationId?: string): Promise<SessionId> {
      const { data } = await call('/trpc/start', { ...preparation, kilocodeOrganizationId: organizationId }, key)
      return data.cloudAgentSessionId
    },
    async open(sessionId: SessionId, size: object = {}): Promise<PtyId> {
      const answer = await call('/trpc/createTerminal', { sessionId, ...size })
      expect(answer.status, JSON.stringify(answer.body)).toBe(200)
      return answer.data.ptyId
    },
    async watch(id: SessionId, ptyId: PtyId, key?: string) {
      const watched = await dial({ cloudAgentSessionId: id, ptyId, ticket: await ticket(id, ptyId, key) })
      if ('status' in watched) throw new Error(JSON.stringify(watched))
      await vi.waitFor(() => expect(watched.news).not.toEqual([]), 10_000)
      return watched
    },
    async restartServer() {
      await server.stop()
      server = await startServer(server.port)
    },
    async [Symbol.asyncDispose]() {
      for (const ref of await driver.list()) await driver.stop(ref, 0)
      await driver.tidy()
      await server.stop()
      await world[Symbol.asyncDispose]()
      rmSync(home, { recursive: true })
    },
  }
}

/** Says at once that it has seen what came, unless `stalled`. */
function watchedBy(socket: WebSocket) {
  const news: TerminalNews[] = []
  const seen = { text: '', bytes: 0, unacked: 0, stalled: false }
  const ack = () => {
    if (seen.stalled || seen.unacked === 0) return
    socket.send(JSON.stringify({ type: 'ack', bytes: seen.unacked }))
    seen.unacked = 0
  }
  socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) return void news.push(JSON.parse(data.toString()))
    seen.bytes += data.length
    seen.unacked += data.length
    seen.text = (seen.text + data.toString('latin1')).slice(-20_000)
    ack()
  })
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  return {
    ...{ socket, news, seen, closed },
    type: (text: string) => socket.send(Buffer.from(text)),
    until: (wanted: RegExp, timeout = 20_000) =>
      vi.waitFor(
        () => {
          if (!wanted.test(seen.text)) throw new Error(`${wanted} is not in ${JSON.stringify(seen.text.slice(-300))}`)
        },
        { timeout, interval: 20 },
      ),
    goOn() {
      seen.stalled = false
      ack()
    },
  }
}

/** What a supervisor remembers of a session whose workspace it has made. */
const preparedRecord = (id: SessionId) => ({
  id,
  preparation: {
    attempt: 1,
    workspacePath: '/workspace/app',
    home: '/home/own',
    repository: { url: 'https://example.com/app.git', doorUrl: 'https://example.com/app.git' },
    author: { name: 'Corral', email: 'corral@localhost' },
    prepared: { ok: true, attempt: 1, branch: 'main', baseCommit: '0'.repeat(40), reused: false },
  },
  running: null,
  lastEnded: null,
  interrupted: [],
})
