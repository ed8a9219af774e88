/**
 * The main process of an embedded PostgreSQL, as its `postmaster.pid` tells.
 * A number in that file proves nothing: after a kill or a power cut it may be the id of any process. It counts only
 * while that process's command line carries the name of our cluster.
 */
import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { hasCode } from '../host/systemError.ts'

export type Postmaster = { state: 'stopped' } | { state: 'starting' | 'ready' | 'stopping'; pid: number }

const pollMs = 10

const run = promisify(execFile)

/** The line numbers are PostgreSQL's (`LOCK_FILE_LINE_*` in its miscadmin.h), counted from 0. */
const pidLine = 0
const statusLine = 7

export async function readPostmaster(dataFolder: string, clusterName: string): Promise<Postmaster> {
  const lines = (await readIfThere(join(dataFolder, 'postmaster.pid')))?.split('\n') ?? []
  const pid = Number(lines[pidLine])
  if (!Number.isInteger(pid) || pid <= 0 || !(await isRunning(pid, clusterName))) return { state: 'stopped' }
  const status = lines[statusLine]?.trim()
  return { state: status === 'ready' || status === 'stopping' ? status : 'starting', pid }
}

/**
 * PostgreSQL itself gets past the lock file of a dead process, but not when that process's id was given to another.
 * Two at once on one folder are still impossible: the shared memory of a running one is found by the folder's inode.
 */
export async function removeReusedLock(dataFolder: string, clusterName: string): Promise<void> {
  const lock = join(dataFolder, 'postmaster.pid')
  const pid = Number((await readIfThere(lock))?.split('\n')[pidLine])
  if (pid > 0 && !(await isRunning(pid, clusterName))) await rm(lock, { force: true })
}

async function isRunning(pid: number, clusterName: string): Promise<boolean> {
  return (await commandLine(pid)).split(/\0| /).includes(`cluster_name=${clusterName}`)
}

export async function hasEnded(pid: number, clusterName: string, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  while (await isRunning(pid, clusterName)) {
    if (Date.now() >= deadline) return false
    await delay(pollMs)
  }
  return true
}

/** Empty for a process that is not there or has ended but was not waited for. */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') return (await readIfThere(`/proc/${pid}/cmdline`)) ?? ''
  try {
    return (await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)])).stdout
  } catch (error) {
    // ps ends with 1 when there is no such process.
    if (error instanceof Error && 'code' in error && error.code === 1) return ''
    throw error
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    // ESRCH: the process ended between the opening and the reading of its file in /proc.
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined
    throw error
  }
}
