/**
 * Connects the parts of the engine and mounts the faces. No part knows more of another than its arguments here say;
 * starting and ending processes is `up.ts`'s.
 */
import { once } from 'node:events'
import type { Server } from 'node:http'
import { availableParallelism } from 'node:os'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import type { Logger } from 'pino'
import { defaultAgent } from './agents/catalog.ts'
import type { AgentStore } from './agents/store.ts'
import { createCallbacks } from './callbacks/callbacks.ts'
import type { Config } from './config.ts'
import { createBudgets } from './credits/budgets.ts'
import { createCredits } from './credits/credits.ts'
import { priceOf } from './credits/prices.ts'
import { createSessionChanges } from './database/changes.ts'
import type { Term } from './database/term.ts'
import type { Database } from './database/transaction.ts'
import { createDeathPoints } from './deathPoints.ts'
import { cloudAgentFace } from './faces/cloud-agent/routes.ts'
import { createStream } from './faces/cloud-agent/stream.ts'
import { createTerminalSocket, terminalPath } from './faces/cloud-agent/terminalSocket.ts'
import { facadeFace } from './faces/facade/routes.ts'
import { createFeed, feedPath } from './faces/feed/feed.ts'
import { identityFace } from './faces/identity/routes.ts'
import { ingestFace } from './faces/ingest/routes.ts'
import { operatorFace } from './faces/operator/routes.ts'
import type { BuiltPage } from './faces/page/built.ts'
import { pageFace } from './faces/page/routes.ts'
import { answerWithoutUpgrade } from './faces/webSocketUpgrade.ts'
import { createBlobs } from './files/blobs.ts'
import { createCheckpoints } from './files/checkpoints.ts'
import { createCheckpointDoor } from './files/door.ts'
import { doorUrl } from './gateway/doorUrl.ts'
import { restDoor } from './gateway/restPolicy.ts'
import { issueGatewayToken } from './gateway/tokens.ts'
import { createUpstreams, pricedModels, selectUpstream } from './gateway/upstreams.ts'
import { hasRoom } from './host/disk.ts'
import { hasCode } from './host/systemError.ts'
import { derivedKey } from './identity/derivedKey.ts'
import type { Identity } from './identity/identity.ts'
import { createLog } from './log/log.ts'
import { createMetrics } from './metrics/metrics.ts'
import type { Now } from './metrics/now.ts'
import { createOutboundPolicy } from './outbound/policy.ts'
import { boundedDriver } from './sandboxes/boundedDriver.ts'
import type { Driver } from './sandboxes/driver.ts'
import { createFleet, type Fleet } from './sandboxes/fleet.ts'
import { inside } from './sandboxes/layout.ts'
import type { Envelopes } from './secrets/envelopes.ts'
import { createHoldBack } from './secrets/holdBack.ts'
import { createRedactors } from './secrets/redactors.ts'
import { createSealing } from './secrets/sealing.ts'
import { alwaysAllowed } from './sessions/asks/asks.ts'
import { createAttachmentDoor } from './sessions/attachments/door.ts'
import { createUploads } from './sessions/attachments/uploads.ts'
import { createAgentChoice } from './sessions/configuration/agents.ts'
import { createOpenConfigurations, unredactedWarning } from './sessions/configuration/openedConfiguration.ts'
import { createSealedConfigurations } from './sessions/configuration/sealedConfiguration.ts'
import { createSessions } from './sessions/create.ts'
import { reportOf } from './sessions/executions/executionReads.ts'
import { createSink } from './sessions/executions/sink.ts'
import { createSandboxOfSession } from './sessions/placement/sandboxes.ts'
import { createHistoryDoor, hasHistory } from './sessions/pushed/historyDoor.ts'
import { createRoots } from './sessions/reads/roots.ts'
import { type CodeHostOf, createCommands, webProxyVariables } from './sessions/reconciler/commands.ts'
import { createSessionReconciler } from './sessions/reconciler/reconcile.ts'
import { createRecordings } from './sessions/recorded/recordings.ts'
import { createMessages } from './sessions/transcript/messages.ts'
import { createLinks } from './supervisors/links.ts'
import { createChannels } from './terminals/channels.ts'
import { createTerminals } from './terminals/terminals.ts'
import { version } from './version.ts'
import { createWatch } from './watch.ts'

export type App = {
  /** Links, reconcilers and HTTP begin here. */
  start(): Promise<{ url: string }>
  /** Refuses new work, lets what is under way end, and leaves sandboxes running. */
  close(): Promise<void>
}

export function createApp(deps: {
  config: Config
  database: Database
  term: Pick<Term, 'current' | 'sinceOutageMs'>
  identity: Identity
  driver: Driver
  agents: AgentStore
  page: BuiltPage
  envelopes: Envelopes
  /** A session will ask for the scripted model; it starts while the agent does. */
  wantScriptedModel(): void
  gatewayFigures: Now['gateway']
  places: {
    doorsFolder: string
    serverSocket: string
    supervisorBundle: string
    nodeBinary: string
    checkpointsFolder: string
  }
  logger: Logger
}): App {
  const { config, database, identity, logger, places } = deps
  const { timers } = config
  const deathPoints = createDeathPoints(config.deathPoint)
  const driver = boundedDriver(deathPoints.driver(deps.driver), { timers, logger })

  const upstreams = createUpstreams({
    upstreams: { ...config.upstreams, scripted: { ...config.upstreams.scripted, urlFile: '' } },
    defaultUpstream: config.defaultUpstream ?? undefined,
  })
  const outbound = createOutboundPolicy(config)
  const repositories = { localRoots: config.gitLocalRoots, outbound }
  const agentChoice = createAgentChoice(deps.agents)
  const sealing = createSealing({ key: config.sealKey })
  const sealed = createSealedConfigurations({ sealing, wrappedKeyBytes: deps.envelopes.modulusBytes })
  const redactors = createRedactors({ secretsOf: (id) => configurations.redactedValues(id) })
  const configurations = createOpenConfigurations({
    read: (id) => sealed.open(database.orm, id),
    openEnvelope: deps.envelopes.open,
    learn: redactors.learn,
    warn: (id, unredacted) =>
      database.transaction(async (tx) => void (await log.appendIn(tx, id, unredacted.map(unredactedWarning)))),
  })
  const wakeSessions = () => sessionReconciler.poke()

  const callbacks = createCallbacks({
    ...{ database, sealing, outbound, timers, logger, version },
    report: reportOf,
    attempted: (outcome) => metrics.callbackAttempted(outcome),
  })
  const metrics = createMetrics({
    pool: database.pool,
    viewers: () => stream.viewers(),
    links: () => links.count(),
    gateway: deps.gatewayFigures,
    logger,
  })
  const log = createLog({
    database,
    sink: metrics.watching(deathPoints.sink(createSink({ timers, callbacks: callbacks.owe, wake: wakeSessions }))),
    observer: metrics.log,
    redact: (id, events) => redactors.known(id)?.events(events) ?? events,
    logger,
  })
  const holdBack = createHoldBack({ redactors, offer: log.offer, holdMs: timers.redactionHoldMs })
  const blobs = createBlobs({ folder: deps.places.checkpointsFolder, ...config.checkpoints })
  const checkpoints = createCheckpoints({ database, blobs })
  const channels = createChannels({ patienceMs: timers.commandMs })
  const links = deathPoints.links(
    createLinks({
      database,
      offer: holdBack.offer,
      serve: createAttachmentDoor({
        ...{ database, worksFor: checkpoints.has },
        otherwise: createHistoryDoor({
          ...{ database, worksFor: checkpoints.has },
          otherwise: createCheckpointDoor({ blobs, checkpoints }),
        }),
      }),
      upgrade: channels.admit,
      changed: (sandboxId) =>
        void fleet.linkChanged(sandboxId).catch((error: unknown) => logger.warn({ sandboxId, error }, 'not woken')),
      logger,
    }),
  )
  const watch = createWatch({ acceptingForMs: links.acceptingForMs, sinceOutageMs: deps.term.sinceOutageMs })
  const sandboxOf = createSandboxOfSession({ database, log, fleet: () => fleet })
  const fleet: Fleet = createFleet({
    database,
    driver,
    links,
    async workIn(id) {
      const work = await sandboxOf.workIn(id)
      return { ...work, busy: work.busy || terminals.isUsed(id) }
    },
    report: sandboxOf.report,
    wakeSessions,
    watchingForMs: watch.watchingForMs,
    dataFolder: config.home,
    doorsFolder: places.doorsFolder,
    supervisorBundle: places.supervisorBundle,
    nodeBinary: places.nodeBinary,
    agentsFolder: config.agentsFolder,
    limits: config.sandboxLimits,
    startsAtOnce: 2 * availableParallelism(),
    secret: config.nextAuthSecret,
    timers,
    logger,
  })
  const codeHost: CodeHostOf = ({ repository, configuration }) =>
    restDoor({ repository, platform: configuration.platform ?? null }, config)
  const commands = createCommands({
    gatewayToken: (look) => {
      const bootId = look.sandbox?.bootId
      if (!look.sandbox || !bootId) throw new Error(`session ${look.session.id} has no running sandbox`)
      return issueGatewayToken(database.orm, {
        sessionId: look.session.id,
        sandboxId: look.sandbox.id,
        bootId,
        secret: config.nextAuthSecret,
      })
    },
    secretsOf: (look) => configurations.open(look.session.id),
    checkpointOf: checkpoints.of,
    doorUrl: (repository) => inside.gatewayUrl + doorUrl(repository),
    codeHost,
    alwaysAllowed: (id) => alwaysAllowed(database.orm, id),
    hasHistory: (id) => hasHistory(database.orm, id),
    agent: agentChoice.installed,
    wireOf(model) {
      const selection = selectUpstream(upstreams, model)
      const wire = selection.kind === 'selected' ? selection.upstream.wires[0] : undefined
      return wire ?? 'openai-chat'
    },
    author: config.gitAuthor,
    timers,
  })
  const sessionReconciler = createSessionReconciler({
    database,
    log,
    links,
    commands,
    callbacks,
    takeSandbox: sandboxOf.takeSandbox,
    fleet,
    hasRoom: () => hasRoom(config.home, config.minimumFreeDiskBytes),
    removeCheckpoint: checkpoints.remove,
    wakeSandboxes: fleet.reconciler.poke,
    redactText: (id, text) => redactors.known(id)?.text(text) ?? text,
    watchingForMs: watch.watchingForMs,
    agentStartsAtOnce: Math.max(1, availableParallelism() - 1),
    timers,
    logger,
  })
  const sessions = createSessions({
    database,
    log,
    links,
    membership: identity.membership,
    sealed,
    callbackTargets: callbacks.targets,
    credits: createCredits({
      minimumUsd: config.minimumCreditUsd,
      isPriced(model) {
        const selection = selectUpstream(upstreams, model)
        return selection.kind === 'selected' && priceOf(selection.upstream.prices, selection.model) !== null
      },
    }),
    digest: sealing.digest,
    redactText: async (id, text) => (redactors.known(id) ?? (await redactors.load(id)))?.text(text) ?? text,
    repositories,
    codeHost,
    chooseAgent: agentChoice.choose,
    async checkModel(model) {
      const selection = selectUpstream(upstreams, model)
      if (selection.kind === 'refused') return selection.sentence
      if (selection.upstream.name === 'scripted') deps.wantScriptedModel()
      return null
    },
    defaultModel: config.defaultModel,
    wake: wakeSessions,
    timers,
  })

  const terminals = createTerminals({
    ...{ access: sessions.access, links, channels, timers, logger },
    async environmentOf(sessionId, life) {
      return webProxyVariables(
        await issueGatewayToken(database.orm, { sessionId, ...life, secret: config.nextAuthSecret }),
      )
    },
  })

  sessions.onDeleted(redactors.forget)
  const stream = createStream({
    sessions,
    log,
    tickets: identity.tickets,
    standings: identity.standings,
    logger,
    allowedOrigins: config.allowedOrigins,
  })
  const terminalSocket = createTerminalSocket({
    ...{ sessions, terminals, tickets: identity.tickets, standings: identity.standings },
    ...{ allowedOrigins: config.allowedOrigins, logger },
  })
  const http = new Hono()
  http.route(
    '/',
    operatorFace({
      isReady: async () => deps.term.current() !== null && (await answersWithin(database, 2_000)),
      metrics: metrics.text,
      internalApiSecret: config.internalApiSecret,
      logger,
    }),
  )
  http.get('/stream', answerWithoutUpgrade)
  http.get(feedPath, answerWithoutUpgrade)
  http.get(terminalPath, answerWithoutUpgrade)
  http.route('/', identityFace({ signIn: identity.signIn, logger }))
  http.route(
    '/',
    cloudAgentFace({
      ...{ sessions, callbacks, identity, log, logger, version },
      budgets: createBudgets({ database }),
      terminals,
      uploads: createUploads({ database }),
      installation: async () => ({
        agents: (await deps.agents.list()).map(({ name, version }) => ({ name, version })),
        defaultAgent,
        defaultModel: config.defaultModel,
        models: pricedModels(upstreams),
        upstreams: [...upstreams.all.keys()],
      }),
      secretsKey: deps.envelopes.publicKey,
    }),
  )
  const messages = createMessages(database)
  const recordings = createRecordings({
    ...{ database, log, sessions, messages, timers, membership: identity.membership },
    turnEnded: metrics.pushedTurnEnded,
    keys: {
      cursors: derivedKey(config.nextAuthSecret, 'message cursors'),
      shares: derivedKey(config.nextAuthSecret, 'share tokens'),
    },
    async rename({ id, sandboxId, agentSessionId }, title) {
      const link = sandboxId && links.of(sandboxId)
      if (!link) return false
      const answer = link.call('session.rename', { session: id, agentSessionId, title }, timers.commandMs)
      // Whatever kept it from being taken, the agent hears of it with its next start.
      return answer.then(({ taken }) => taken).catch(() => false)
    },
  })
  const { internalApiSecret, publicUrl } = config
  http.route('/', ingestFace({ recordings, messages, identity, internalApiSecret, publicUrl, logger }))
  const changes = createSessionChanges({ pool: database.pool, logger })
  const feed = createFeed({
    ...{ changes, internalApiSecret, logger, rows: recordings.rows },
    webTickets: identity.webTickets,
    standings: identity.standings,
    allowedOrigins: config.allowedOrigins,
  })
  const facade = facadeFace({
    ...{ sessions, identity, log, logger, timers, version, recordings, publicUrl, messages },
    roots: createRoots(database),
    repositories,
    digest: sealing.digest,
    placesReplaced: metrics.placesReplaced,
    beyond: config.facade.beyond,
    defaultModel: config.defaultModel,
  })
  http.route('/', facade.app)
  const page = pageFace(deps.page)
  http.route('/', page.app)
  http.notFound(page.notFound)
  let server: Server | null = null

  return {
    async start() {
      await fleet.takeStock()
      await links.listen(places.serverSocket)
      server = serve({ fetch: http.fetch, hostname: config.host, port: config.port }) as Server
      server.on('upgrade', (request, socket, head) => {
        const path = URL.parse(request.url ?? '', 'http://corral')?.pathname
        const { handleUpgrade } = path === feedPath ? feed : path === terminalPath ? terminalSocket : stream
        handleUpgrade(request, socket, head)
      })
      await once(server, 'listening').catch((error: unknown) => {
        if (!hasCode(error, 'EADDRINUSE')) throw error
        const place = `${config.host}:${config.port}`
        throw new Error(`${place} is in use by another program. Give another port with CORRAL_PORT (0: any free one).`)
      })
      fleet.reconciler.poke()
      sessionReconciler.poke()
      callbacks.poke()
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : config.port
      return {
        url: config.publicUrl ?? `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
      }
    },

    async close() {
      const closed = server ? once(server, 'close') : null
      server?.close()
      server?.closeIdleConnections()
      facade.close()
      await Promise.all([stream.close(), terminalSocket.close(), feed.close()])
      await changes.close()
      await Promise.all([sessionReconciler.close(), fleet.close(), callbacks.close()])
      holdBack.close()
      await links.close()
      await log.close()
      watch.close()
      server?.closeAllConnections()
      await closed
    },
  }
}

async function answersWithin(database: Database, timeoutMs: number): Promise<boolean> {
  const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), timeoutMs).unref())
  const answer = database.pool.query('select 1').then(
    () => true,
    () => false,
  )
  return Promise.race([answer, late])
}
