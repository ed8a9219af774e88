/**
 * The server itself, once its database is there: schema, term, identity, and the app on top. Ends in the reverse order,
 * so that nothing is written after the term is given up.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { createAgentStore } from './agents/store.ts'
import { createApp } from './app.ts'
import type { Config } from './config.ts'
import { waitUntilReady } from './database/connect.ts'
import { migrate } from './database/migrate.ts'
import { freeClaims } from './database/reconciler.ts'
import { takeTerm } from './database/term.ts'
import { createDatabase } from './database/transaction.ts'
import { builtPage } from './faces/page/built.ts'
import { createAuth } from './identity/auth.ts'
import { bootstrap } from './identity/bootstrap.ts'
import { createIdentity } from './identity/identity.ts'
import type { Now } from './metrics/now.ts'
import type { Driver } from './sandboxes/driver.ts'
import { createEnvelopes } from './secrets/envelopes.ts'
import { supervisorBundle } from './supervisors/bundle.ts'

export type Engine = {
  url: string
  /** Only when it was made at this start. */
  firstApiKey: string | null
  /** As long as the operator has no password. */
  firstSignInToken: string | null
  lost: Promise<void>
  close(): Promise<void>
}

const databaseReadyMs = 30_000

export async function startEngine(deps: {
  config: Config
  pool: Pool
  driver: Driver
  /** The database is this data folder's own, whose lock we hold: no other server can be active on it. */
  soleServer: boolean
  doorsFolder: string
  wantScriptedModel(): void
  gatewayFigures: Now['gateway']
  logger: Logger
}): Promise<Engine> {
  const { config, pool, doorsFolder, logger } = deps
  await waitUntilReady(pool, databaseReadyMs)
  await migrate(pool)

  const { promise: lost, resolve: markLost } = Promise.withResolvers<void>()
  const term = await takeTerm({ pool, atOnce: deps.soleServer, timers: config.timers, lost: markLost, logger })
  try {
    const database = createDatabase({ pool, term: term.current })
    await freeClaims(database)
    const baseUrl = config.publicUrl ?? `http://${config.host}:${config.port}`
    const github = config.githubSignIn
    const auth = createAuth({ pool, secret: config.nextAuthSecret, baseUrl, github, logger })
    const operator = await bootstrap({ auth, configuredKey: config.bootstrapApiKey })
    const identity = createIdentity({ database, auth, ...config, github: github !== null, logger })
    const checkpointsFolder = join(config.home, 'checkpoints')
    await mkdir(checkpointsFolder, { recursive: true, mode: 0o700 })
    const agents = createAgentStore({ folder: config.agentsFolder })
    await agents.makeFolder()
    const app = createApp({
      config,
      database,
      term,
      identity,
      driver: deps.driver,
      envelopes: await createEnvelopes({ privateKeyPem: config.envelopeKey }),
      agents,
      page: await builtPage({ folder: config.pagesFolder }),
      wantScriptedModel: deps.wantScriptedModel,
      gatewayFigures: deps.gatewayFigures,
      places: {
        doorsFolder,
        serverSocket: join(doorsFolder, 'server.sock'),
        supervisorBundle: await supervisorBundle({ folder: config.supervisorsFolder }),
        nodeBinary: process.execPath,
        checkpointsFolder,
      },
      logger,
    })
    const { url } = await app.start().catch(async (error: unknown) => {
      await app.close()
      throw error
    })
    return {
      url,
      firstApiKey: operator.apiKey ?? null,
      firstSignInToken: await identity.signIn.firstToken(),
      lost,
      async close() {
        await app.close()
        await term.release()
      },
    }
  } catch (error) {
    await term.release()
    throw error
  }
}
