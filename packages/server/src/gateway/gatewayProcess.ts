/**
 * The gateway as the server sees it: a process of its own that is started when there is none, adopted when it runs
 * with the same program and configuration, and replaced between streams when it does not. It outlives the server.
 */
import { createHash } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { startDetached, stopDetached } from '../host/detached.ts'
import { type GatewayHealth, gatewayHealth } from './control.ts'
import type { GatewaySettings } from './gatewayConfig.ts'

/** It takes a second; on a machine under full load many. */
const startTimeoutMs = 40_000
const stopGraceMs = 5_000

export type GatewayProcess = {
  /** Starts a gateway with this configuration unless one has the door; `ready` settles once it answers. */
  launch(): Promise<{ ready: Promise<void> }>
  /** Resolves once a gateway with this configuration answers. Who asks while one is being started waits for that one. */
  ensure(): Promise<void>
  /** What it says of itself now; null when it does not run. */
  health(): Promise<GatewayHealth | null>
  /** False when it did not run. */
  stop(): Promise<boolean>
}

export function createGatewayProcess(options: {
  home: string
  nodeBinary: string
  controlSocket: string
  /** Without its version, which is made of the configuration itself. */
  settings: Omit<GatewaySettings, 'version' | 'controlSocket' | 'stateFolder'>
  /** The file of its program, named by its content. Made when it is first wanted. */
  program(folder: string): Promise<string>
  env: NodeJS.ProcessEnv
  logger: Logger
}): GatewayProcess {
  const { home, controlSocket, logger } = options
  const folder = join(home, 'gateway')
  const configFile = join(folder, 'config.json')
  const pidFile = join(folder, 'gateway.pid')
  let wanted: Promise<{ program: string; version: string }> | null = null

  /** What is to run, in this server's whole life: its program with its configuration. */
  function want() {
    wanted ??= make()
    wanted.catch(() => {
      wanted = null
    })
    return wanted
  }

  async function make() {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const program = await options.program(folder)
    const { NODE_EXTRA_CA_CERTS, NODE_USE_SYSTEM_CA } = options.env
    const identity = JSON.stringify([basename(program), options.settings, NODE_EXTRA_CA_CERTS, NODE_USE_SYSTEM_CA])
    return { program, version: createHash('sha256').update(identity).digest('hex').slice(0, 16) }
  }

  async function writeConfig(version: string): Promise<void> {
    const settings: GatewaySettings = { ...options.settings, version, controlSocket, stateFolder: folder }
    const written = `${configFile}.${process.pid}`
    await writeFile(written, JSON.stringify(settings, null, 2), { mode: 0o600 })
    await rename(written, configFile)
  }

  /** The version of the gateway that has the door; null when none has, or when it does not answer. */
  async function running(): Promise<string | null> {
    try {
      const health = await gatewayHealth(controlSocket)
      return health?.ownsDoor && health.state === 'serving' ? health.version : null
    } catch (error) {
      logger.warn({ error: String(error) }, 'the gateway does not answer')
      return null
    }
  }

  async function launch(): Promise<{ ready: Promise<void> }> {
    const { program, version } = await want()
    const found = await running()
    if (found === version) return { ready: Promise.resolve() }
    await writeConfig(version)
    // A gateway with another configuration is replaced: the new one takes the door, and the old one drains.
    logger.info({ replaces: found }, 'starting the gateway')
    await startDetached({
      command: options.nodeBinary,
      args: [program, configFile],
      env: options.env,
      logFile: join(folder, 'gateway.log'),
      pidFile,
    })
    return { ready: answering(version) }
  }

  async function answering(version: string): Promise<void> {
    const deadline = performance.now() + startTimeoutMs
    while ((await running()) !== version) {
      if (performance.now() > deadline) {
        throw new Error(
          `The gateway did not start within ${startTimeoutMs / 1000} s; see ${join(folder, 'gateway.log')}.`,
        )
      }
      await delay(20)
    }
  }

  async function stop(): Promise<boolean> {
    const stopped = await stopDetached(pidFile, stopGraceMs)
    // One that was to be replaced by one that never came still has the door.
    const other = await gatewayHealth(controlSocket).catch(() => null)
    if (other) process.kill(other.pid, 'SIGTERM')
    return stopped || other !== null
  }

  let launching: Promise<{ ready: Promise<void> }> | null = null

  function launchOnce(): Promise<{ ready: Promise<void> }> {
    launching ??= launch().then(({ ready }) => {
      const settled = () => {
        launching = null
      }
      ready.then(settled, settled)
      return { ready }
    })
    launching.catch(() => {
      launching = null
    })
    return launching
  }

  return {
    launch: launchOnce,
    async ensure() {
      const { ready } = await launchOnce()
      await ready
    },
    health: () => gatewayHealth(controlSocket),
    stop,
  }
}
