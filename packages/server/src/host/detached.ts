/**
 * Processes that outlive us: a session of their own, no pipe or terminal of ours, output appended to a file. The pid
 * file says which process it was, so that a process id which was given to somebody else is never mistaken for it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { identifyProcess, type ProcessIdentity, processEnded, processState } from './processIdentity.ts'
import { hasCode } from './systemError.ts'

const identitySchema = z.object({ hostBootId: z.string(), pid: z.number(), startTicks: z.number() })

export async function startDetached(options: {
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
  logFile: string
  pidFile: string
}): Promise<void> {
  const { command, args, env, logFile, pidFile } = options
  await mkdir(dirname(logFile), { recursive: true, mode: 0o700 })
  await using log = await open(logFile, 'a', 0o600)
  const child = spawn(command, args, { cwd: '/', detached: true, env, stdio: ['ignore', log.fd, log.fd] })
  // Rejects when it could not be started at all.
  await once(child, 'spawn')
  child.unref()
  const identity = child.pid === undefined ? undefined : await identifyProcess(child.pid)
  if (!identity) throw new Error(`${command} ended as soon as it was started; what it said is in ${logFile}.`)
  const written = `${pidFile}.${process.pid}`
  await writeFile(written, JSON.stringify(identity), { mode: 0o600 })
  await rename(written, pidFile)
}

export async function detachedIsRunning(pidFile: string): Promise<boolean> {
  const identity = await readIdentity(pidFile)
  return identity !== null && (await processState(identity)) === 'running'
}

/** SIGTERM, and SIGKILL when that has not ended it in time. False when it did not run. */
export async function stopDetached(pidFile: string, graceMs: number): Promise<boolean> {
  const identity = await readIdentity(pidFile)
  const running = identity !== null && (await processState(identity)) === 'running'
  if (running) {
    process.kill(identity.pid, 'SIGTERM')
    if (!(await processEnded(identity, graceMs))) {
      process.kill(identity.pid, 'SIGKILL')
      await processEnded(identity, graceMs)
    }
  }
  await rm(pidFile, { force: true })
  return running
}

async function readIdentity(pidFile: string): Promise<ProcessIdentity | null> {
  try {
    return identitySchema.parse(JSON.parse(await readFile(pidFile, 'utf8')))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}
