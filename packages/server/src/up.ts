/**
 * Starts a server on a data folder: takes its lock, brings up what must outlive it (PostgreSQL, the gateway) or adopts
 * what runs, and ends in order. Whoever holds the lock owns everything detached; nobody else touches it.
 *
 * What is heavy to load (the ORM, sign-in) is behind `engine.ts`, and is loaded while those processes start.
 */
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { takeCare } from './caretaker.ts'
import { type Config, scriptedModel } from './config.ts'
import { connect } from './database/connect.ts'
import { startEmbeddedPostgres, stopEmbeddedPostgres } from './database/embedded.ts'
import { acquireOwnership } from './host/ownerLock.ts'
import { runFolder } from './host/runFolder.ts'
import { processesOf } from './processes.ts'
import { chooseDriver } from './sandboxes/choose.ts'

export type RunningServer = {
  url: string
  /** Only at the first start. */
  apiKey: string | null
  /** A link to the page, as long as nobody has given the operator a password by it. */
  signInUrl: string | null
  /** A clean stop: within 10 s, sandboxes go on. */
  close(): Promise<void>
  /** Settles when the server can work no longer: another one has taken over. */
  lost: Promise<void>
}

export async function up(config: Config, logger: Logger, env: NodeJS.ProcessEnv): Promise<RunningServer> {
  const run = await runFolder(config.home, { runtimeDir: env.XDG_RUNTIME_DIR })
  const startedAt = new Date().toISOString()
  const ownership = await acquireOwnership(run, { pid: process.pid, startedAt })
  if (!ownership.ok) throw inUse(config.home, ownership.owner)
  const cleanups: (() => Promise<void>)[] = [ownership.release]
  const closeAll = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  }
  try {
    const driver = await chooseDriver(config)
    const embedded = config.databaseUrl === null ? { dataFolder: config.home, runFolder: run, log: logger } : null
    if (embedded) cleanups.push(() => stopEmbeddedPostgres(embedded))
    const databaseUrl = embedded ? (await startEmbeddedPostgres(embedded)).url : (config.databaseUrl ?? '')

    const processes = processesOf({ config, runFolder: run, databaseUrl, env, logger })
    const gateway = await processes.gateway.launch()
    // Awaited below; a failure before that is not nobody's.
    gateway.ready.catch(() => {})

    const wantScriptedModel = () =>
      void processes.scripted.ensure().catch((error: unknown) => logger.error({ error }, 'no scripted model'))
    if (config.defaultModel === scriptedModel) wantScriptedModel()

    const { startEngine } = await import('./engine.ts')
    const pool = connect(databaseUrl)
    cleanups.push(() => pool.end())
    const engine = await startEngine({
      config,
      pool,
      driver,
      soleServer: embedded !== null,
      doorsFolder: join(run, 'doors'),
      wantScriptedModel,
      gatewayFigures: processes.gateway.health,
      logger,
    })
    cleanups.push(engine.close)
    await gateway.ready
    const caretaker = takeCare({
      things: [...(embedded ? [() => startEmbeddedPostgres(embedded)] : []), processes.gateway.ensure],
      everyMs: config.timers.caretakerMs,
      logger,
    })
    cleanups.push(caretaker.close)

    ownership.announce({ pid: process.pid, startedAt, url: engine.url })
    await writeCliFile(config, engine.url)
    const { url, firstSignInToken: token } = engine
    // In the fragment, which no log of a proxy ever has.
    const signInUrl = token && `${url}/sign-in#first=${token}`
    return { url, apiKey: engine.firstApiKey, signInUrl, close: closeAll, lost: engine.lost }
  } catch (error) {
    await closeAll()
    throw error
  }
}

function inUse(home: string, owner: { pid: number; url?: string | undefined } | null): Error {
  const who = owner ? `process ${owner.pid} at ${owner.url ?? 'its start'}` : 'a process that does not answer'
  return new Error(
    `The data folder ${home} is in use by ${who}. Stop it with "corral down", or give another folder with CORRAL_HOME.`,
  )
}

/** Where the command line finds this server. */
async function writeCliFile({ home, bootstrapApiKey: apiKey, defaultModel }: Config, url: string): Promise<void> {
  const path = join(home, 'cli.json')
  const written = `${path}.${process.pid}`
  await writeFile(written, JSON.stringify({ url, apiKey, defaultModel }, null, 2), { mode: 0o600 })
  await rename(written, path)
}
