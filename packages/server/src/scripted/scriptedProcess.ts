/**
 * The scripted model as a process of this data folder: started when a session first asks for one of its models, found
 * by the gateway through a file with its address, and ended by `corral down`.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { detachedIsRunning, startDetached, stopDetached } from '../host/detached.ts'
import { isThere } from '../host/isThere.ts'

const startTimeoutMs = 10_000

export type ScriptedProcess = {
  /** Appears whole, with the address in it. */
  urlFile: string
  ensure(): Promise<void>
  /** False when it did not run. */
  stop(): Promise<boolean>
}

export function createScriptedProcess(options: {
  home: string
  nodeBinary: string
  env: NodeJS.ProcessEnv
}): ScriptedProcess {
  const folder = join(options.home, 'scripted-model')
  const urlFile = join(folder, 'url')
  const pidFile = join(folder, 'scripted-model.pid')
  let starting: Promise<void> | null = null

  async function start(): Promise<void> {
    if (await detachedIsRunning(pidFile)) return
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await rm(urlFile, { force: true })
    const logFile = join(folder, 'scripted-model.log')
    await startDetached({
      command: options.nodeBinary,
      args: [fileURLToPath(import.meta.resolve('@corral/scripted-model/main.ts')), '--url-file', urlFile],
      env: options.env,
      logFile,
      pidFile,
    })
    const deadline = performance.now() + startTimeoutMs
    while (!(await isThere(urlFile))) {
      if (performance.now() > deadline) {
        throw new Error(`The scripted model did not start within ${startTimeoutMs / 1000} s; see ${logFile}.`)
      }
      await delay(20)
    }
  }

  return {
    urlFile,
    async ensure() {
      starting ??= start().finally(() => {
        starting = null
      })
      await starting
    },
    stop: () => stopDetached(pidFile, 2_000),
  }
}
