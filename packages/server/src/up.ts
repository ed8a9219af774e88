/**
 * Starts a server on a data folder: takes its lock, brings up what must outlive it (PostgreSQL, the gateway) or adopts
 * what runs, and ends in order. Whoever holds the lock owns everything detached; nobody else touches it.
 */
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { createAgentStore } from './agents/store.ts'
import { type App, createApp } from './app.ts'
import { takeCare } from './caretaker.ts'
import { type Config, scriptedModel } from './config.ts'
import { connect, waitUntilReady } from './database/connect.ts'
import { startEmbeddedPostgres, stopEmbeddedPostgres } from './database/embedded.ts'
import { migrate } from './database/migrate.ts'
import { takeTerm } from './database/term.ts'
import { createDatabase } from './database/transaction.ts'
import { acquireOwnership } from './host/ownerLock.ts'
import { runFolder } from './host/runFolder.ts'
import { createAuth } from './identity/auth.ts'
import { bootstrap } from './identity/bootstrap.ts'
import { createIdentity } from './identity/identity.ts'
import { processesOf } from './processes.ts'
import { chooseDriver } from './sandboxes/choose.ts'
import { supervisorBundle } from './supervisors/bundle.ts'

export type RunningServer = {
  url: string
  /** Only at the first start. */
  apiKey: string | null
  /** A clean stop: within 10 s, sandboxes go on. */
  close(): Promise<void>
  /** Settles when the server can work no longer: another one has taken over. */
  lost: Promise<void>
}

const databaseReadyMs = 30_000

export async function up(config: Config, logger: Logger, env: NodeJS.ProcessEnv): Promise<RunningServer> {
  const run = await runFolder(config.home, { runtimeDir: env.XDG_RUNTIME_DIR })
  const startedAt = new Date().toISOString()
  const ownership = await acquireOwnership(run, { pid: process.pid, startedAt })
  if (!ownership.ok) {
    const who = ownership.owner
      ? `process ${ownership.owner.pid} at ${ownership.owner.url ?? 'its start'}`
      : 'a process that does not answer'
    throw new Error(
      `The data folder ${config.home} is in use by ${who}. Stop it with "corral down", or give another folder with CORRAL_HOME.`,
    )
  }
  const cleanups: (() => Promise<void>)[] = [ownership.release]
  const closeAll = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  }
  try {
    const driver = await chooseDriver(config)
    const embedded = { dataFolder: config.home, runFolder: run, log: logger }
    if (config.databaseUrl === null) cleanups.push(() => stopEmbeddedPostgres(embedded))
    const databaseUrl = config.databaseUrl ?? (await startEmbeddedPostgres(embedded)).url
    const pool = connect(databaseUrl)
    cleanups.push(() => pool.end())
    await waitUntilReady(pool, databaseReadyMs)
    await migrate(pool)

    const stopWaiting = new AbortController()
    const { promise: lost, resolve: markLost } = Promise.withResolvers<void>()
    const term = await takeTerm({
      pool,
      atOnce: config.databaseUrl === null,
      timers: config.timers,
      lost: markLost,
      signal: stopWaiting.signal,
      logger,
    })
    cleanups.push(term.release)
    const database = createDatabase({ pool, term: term.current })

    const auth = createAuth({
      pool,
      secret: config.nextAuthSecret,
      baseUrl: config.publicUrl ?? `http://${config.host}:${config.port}`,
      logger,
    })
    const operator = await bootstrap({ auth, configuredKey: config.bootstrapApiKey })
    const identity = createIdentity({ database, ...config })

    const doorsFolder = join(run, 'doors')
    const processes = processesOf({ config, runFolder: run, databaseUrl, env, logger })
    const usesScripted = config.defaultModel === scriptedModel
    // They start while the rest of the server does: what needs them waits at its door.
    const neighbors = Promise.all([processes.gateway.ensure(), ...(usesScripted ? [processes.scripted.ensure()] : [])])
    neighbors.catch(() => {})

    const caretaker = takeCare({
      things: [
        ...(config.databaseUrl === null ? [() => startEmbeddedPostgres(embedded)] : []),
        processes.gateway.ensure,
      ],
      everyMs: config.timers.caretakerMs,
      logger,
    })
    cleanups.push(caretaker.close)

    const app: App = createApp({
      config,
      database,
      term,
      identity,
      driver,
      agents: createAgentStore({ folder: config.agentsFolder }),
      ensureScriptedModel: processes.scripted.ensure,
      places: {
        doorsFolder,
        serverSocket: join(doorsFolder, 'server.sock'),
        supervisorBundle: await supervisorBundle({ folder: config.supervisorsFolder }),
        nodeBinary: process.execPath,
      },
      logger,
    })
    cleanups.push(app.close)
    const { url } = await app.start()
    await neighbors
    ownership.announce({ pid: process.pid, startedAt, url })
    await writeCliFile(config, url)
    return { url, apiKey: operator.apiKey ?? null, close: closeAll, lost }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** Where the command line finds this server. */
async function writeCliFile({ home, bootstrapApiKey: apiKey, defaultModel }: Config, url: string): Promise<void> {
  const path = join(home, 'cli.json')
  const written = `${path}.${process.pid}`
  await writeFile(written, JSON.stringify({ url, apiKey, defaultModel }, null, 2), { mode: 0o600 })
  await rename(written, path)
}
