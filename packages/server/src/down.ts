/** Ends everything of a data folder: the server, its sandboxes, the gateway, the scripted model, PostgreSQL. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { stopEmbeddedPostgres } from './database/embedded.ts'
import { acquireOwnership, probeOwner } from './host/ownerLock.ts'
import { runFolder } from './host/runFolder.ts'
import { processesOf } from './processes.ts'
import { driverNamed } from './sandboxes/choose.ts'

const serverStopMs = 15_000

/** What was there to end, in words. */
export async function down(config: Config, logger: Logger, env: NodeJS.ProcessEnv): Promise<string[]> {
  const ended: string[] = []
  const run = await runFolder(config.home, { runtimeDir: env.XDG_RUNTIME_DIR })
  const found = await probeOwner(run)
  if (found.state === 'silent') {
    throw new Error(`The server of ${config.home} does not answer. End its process, then run "corral down" again.`)
  }
  if (found.state === 'known') {
    process.kill(found.owner.pid, 'SIGTERM')
    ended.push(`server (process ${found.owner.pid})`)
  }
  const ownership = await ownershipWithin(run, serverStopMs)
  try {
    const driver = driverNamed(config.sandboxDriver ?? 'bubblewrap', config)
    for (const ref of await driver.list()) {
      const end = await driver.stop(ref, config.timers.sandboxGraceMs)
      ended.push(`sandbox ${ref.sandboxId}${end === 'unconfirmed' ? ' (its end could not be confirmed)' : ''}`)
    }
    await driver.tidy()
    const processes = processesOf({ config, runFolder: run, databaseUrl: '', env, logger })
    if (await processes.gateway.stop()) ended.push('gateway')
    if (await processes.scripted.stop()) ended.push('scripted model')
    if (config.databaseUrl === null)
      await stopEmbeddedPostgres({ dataFolder: config.home, runFolder: run, log: logger })
    return ended
  } finally {
    await ownership.release()
  }
}

async function ownershipWithin(run: string, timeoutMs: number) {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const ownership = await acquireOwnership(run, { pid: process.pid, startedAt: new Date().toISOString() })
    if (ownership.ok) return ownership
    if (performance.now() > deadline) {
      throw new Error(
        `The server did not stop within ${timeoutMs / 1000} s (process ${ownership.owner?.pid ?? 'unknown'}).`,
      )
    }
    await delay(50)
  }
}
