/**
 * The gateway: the sandbox's only way out, a process of its own that outlives the server. It listens on one Unix socket
 * for all sandboxes of a host; who calls is told by the token.
 * Invariants: a new gateway takes the socket from the old one without a gap, and the old one ends its streams first; no
 * error of one call reaches another; a database that is away stops nobody who was known before.
 */
import { once } from 'node:events'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { Pool } from 'pg'
import type { Logger } from 'pino'
import { Agent } from 'undici'
import { ownAddresses } from '../host/ownAddresses.ts'
import { createOutboundAgent } from '../outbound/agent.ts'
import { createOutboundPolicy } from '../outbound/policy.ts'
import { createEnvelopes } from '../secrets/envelopes.ts'
import { createSealing } from '../secrets/sealing.ts'
import { createCallServer } from './callServer.ts'
import { codeHostOf, githubAppHost } from './codeHost.ts'
import { createControlServer, drainGateway } from './control.ts'
import type { GatewayConfig, GatewayTimeouts } from './gatewayConfig.ts'
import { createGit } from './git.ts'
import { createGitCredentials } from './gitCredentials.ts'
import type { GithubApp } from './githubApp.ts'
import { createGitLocal } from './gitLocal.ts'
import { createGitRemote } from './gitRemote.ts'
import { createGrants } from './grants.ts'
import { createMcp } from './mcp.ts'
import { createModelCalls } from './modelCalls.ts'
import { createModels } from './models.ts'
import { takeSocket } from './ownSocket.ts'
import { createRateLimits } from './rateLimits.ts'
import { createRegistries } from './registries/registries.ts'
import { createRest } from './rest.ts'
import { createOpenSessionMcp } from './sessionMcp.ts'
import { createOpenGitTokens } from './sessionSecret.ts'
import { createTokenCache } from './tokenCache.ts'
import { createUpstreams } from './upstreams.ts'
import { createNetworkLog } from './web/networkLog.ts'
import { createWebProxy } from './web/proxy.ts'

export type Gateway = {
  /** Ends now: calls that run are reset. */
  close(): Promise<void>
  /** Settles when it has ended, closed or drained. */
  ended: Promise<void>
}

/** For whoever found the old socket just before another was renamed over it. */
const lateCallerMs = 100
const closeMs = 5_000
/** GitHub's are good for an hour; a clone that begins at the end of this still has half of it. */
const installationTokenMs = 30 * 60_000
const watchMs = 2_000

export async function startGateway({ config, log }: { config: GatewayConfig; log: Logger }): Promise<Gateway> {
  const { timeouts } = config
  const startedAt = new Date().toISOString()

  const pool = createPool(config.databaseUrl, timeouts)
  const grants = createGrants({ pool, holdMs: timeouts.unknownTokenMs })
  const modelCalls = await createModelCalls({ pool, folder: config.stateFolder, log })
  const policy = createOutboundPolicy({ ...config, ownAddresses })
  const agents = {
    any: new Agent({ ...agentOptions(timeouts), connect: { timeout: timeouts.connectMs } }),
    checked: createOutboundAgent({ policy }, { ...agentOptions(timeouts), connectMs: timeouts.connectMs }),
  }
  const sealing = createSealing({ key: Buffer.from(config.sealKey, 'base64') })
  const credentials = createGitCredentials({
    openTokens: createOpenGitTokens(sealing),
    app: config.githubApp ? await githubApp(config.githubApp) : null,
  })
  const openMcp = createOpenSessionMcp({
    pool,
    sealing,
    openEnvelope: config.envelopeKey ? (await createEnvelopes({ privateKeyPem: config.envelopeKey })).open : null,
  })
  const draining = new AbortController()
  const visits = createNetworkLog({ pool, log })
  const web = createWebProxy({ grants, config, policy, dispatcher: agents.checked, visits })
  const calls = createCallServer({
    log,
    tunnel: web.tunnel,
    silenceMs: timeouts.unknownTokenMs + timeouts.connectMs + timeouts.firstByteMs,
    faces: [
      createModels({
        grants,
        upstreams: createUpstreams(config),
        modelCalls,
        rateLimits: createRateLimits(config.rateLimits),
        dispatcher: agents.any,
        log,
      }),
      createGit({
        grants,
        policy: config,
        credentials,
        localRoots: config.gitLocalRoots,
        remote: createGitRemote({ dispatchers: agents }),
        local: createGitLocal({ programPath: config.programPath, silenceMs: timeouts.firstByteMs }),
        log,
      }),
      createRest({ grants, policy: config, credentials, dispatchers: agents, log }),
      createMcp({ grants, open: openMcp, policy, dispatcher: agents.checked, draining: draining.signal, log }),
      createRegistries({ grants, settings: config.registries, dispatchers: agents, visits, log }),
      web.face,
    ],
  })

  /** Loaded where there is one: its library is memory that no other gateway needs. */
  async function githubApp(app: NonNullable<GatewayConfig['githubApp']>): Promise<GithubApp> {
    const { createGithubApp } = await import('./githubApp.ts')
    const cache = createTokenCache({ pool, sealing, keepMs: installationTokenMs })
    return createGithubApp({ ...app, api: codeHostOf(githubAppHost, config).api ?? '', cache, log })
  }

  let state: 'serving' | 'draining' = 'serving'
  const ended = Promise.withResolvers<void>()
  const control = createControlServer({
    health: async () => ({
      ...{ pid: process.pid, version: config.version, startedAt, state },
      ownsDoor: await door.isOurs(),
      activeCalls: calls.active(),
      calls: calls.ended(),
    }),
    drain: () => void drain().catch(failed),
  })

  const door = await takeSocket(calls.server, config.socket, 0o666)
  const previous = await drainGateway(config.controlSocket).catch((error) => {
    log.warn(
      { error: String(error) },
      'the gateway before this one does not answer; it drains when it sees its door taken',
    )
    return null
  })
  const controlSocket = await takeSocket(control, config.controlSocket, 0o600)
  const watch = setInterval(() => drainWhenReplaced().catch(failed), watchMs)
  log.info({ version: config.version, tookOverFrom: previous?.pid }, 'the gateway serves')

  function failed(error: unknown): void {
    log.error({ error: String(error) }, 'the gateway cannot drain')
  }

  /** For the one that was frozen when another took its door. */
  async function drainWhenReplaced(): Promise<void> {
    if (state === 'serving' && !(await door.isOurs())) await drain()
  }

  async function drain(): Promise<void> {
    if (state === 'draining') return
    state = 'draining'
    log.info({ activeCalls: calls.active() }, 'the gateway drains')
    await delay(lateCallerMs)
    // Who waits at the door is taken in before it closes, however late this is.
    await turn()
    draining.abort()
    calls.server.close()
    await Promise.race([once(calls.server, 'close'), delay(timeouts.drainMs, undefined, { ref: false })])
    await end()
  }

  let ending: Promise<void> | null = null
  function end(): Promise<void> {
    ending ??= release()
    ended.resolve(ending)
    return ending
  }

  async function release(): Promise<void> {
    clearInterval(watch)
    calls.server.close()
    calls.server.closeAllConnections()
    await Promise.race([calls.settled(), delay(closeMs, undefined, { ref: false })])
    control.close()
    control.closeAllConnections()
    await Promise.all([door.release(), controlSocket.release(), modelCalls[Symbol.asyncDispose]()])
    await visits[Symbol.asyncDispose]()
    await Promise.all([agents.any.destroy(), agents.checked.destroy(), pool.end()])
    log.info('the gateway has ended')
  }

  return { close: end, ended: ended.promise }
}

/** HTTP/1.1 alone: one upstream connection for one call, so that canceling a call is closing its connection. */
function agentOptions({ firstByteMs, betweenBytesMs }: GatewayTimeouts) {
  return {
    allowH2: false,
    headersTimeout: firstByteMs,
    bodyTimeout: betweenBytesMs,
  }
}

/** With short waits: past them a database counts as away, and what was read last is used. */
function createPool(connectionString: string, { databaseMs }: GatewayTimeouts): Pool {
  const pool = new Pool({
    connectionString,
    application_name: 'corral-gateway',
    max: 8,
    keepAlive: true,
    connectionTimeoutMillis: databaseMs,
    query_timeout: databaseMs,
    // Ours comes first: the one of the server would look like a fault of the statement.
    statement_timeout: 2 * databaseMs,
  })
  // A connection broke while no query ran on it; the next query says so, too.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
