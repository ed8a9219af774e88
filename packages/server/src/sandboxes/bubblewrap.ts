// Sandboxes by bubblewrap: milliseconds, no daemon, Linux. Invariants: the lock on a sandbox's folder, held by its
// process 1, makes a second start harmless, whoever calls it; the driver itself keeps no state.
import { type ChildProcess, spawn } from 'node:child_process'
import { type FileHandle, realpath } from 'node:fs/promises'
import { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { identifyProcess, type ProcessIdentity, processEnded, processState } from '../host/processIdentity.ts'
import { dataFolderName } from '../host/runFolder.ts'
import { hasCode } from '../host/systemError.ts'
import { checkBubblewrap } from './bubblewrapCheck.ts'
import { filterFd, lockedStatus, sandboxCommand, statusFd, upFd } from './bubblewrapCommand.ts'
import { findTrees, makeGroup, removeEmptyGroups, removeGroup } from './cgroups/cgroups.ts'
import { type BubblewrapRef, type Driver, SandboxError, type SandboxSpec } from './driver.ts'
import { makeSandboxFolder, openLog, writeBootFile } from './folder.ts'
import { hostPath, type InitIdentity } from './layout.ts'
import { findSandboxes } from './sandboxProcess.ts'
import { processorHere, seccompProgram } from './seccomp/program.ts'

const startTimeoutMs = 5_000
const killTimeoutMs = 5_000

export function bubblewrapDriver({ dataFolder }: { dataFolder: string }): Driver<BubblewrapRef> {
  const findOurs = async () => findSandboxes(await markOf(dataFolder))

  async function findRunning({ sandboxId, bootId }: SandboxSpec): Promise<BubblewrapRef | undefined> {
    const running = (await findOurs()).find((sandbox) => sandbox.sandboxId === sandboxId)
    if (running && running.bootId !== bootId) {
      throw new SandboxError(
        'already_running',
        `${sandboxId} still runs as ${running.bootId}; it must be stopped first.`,
      )
    }
    return running && refOf(running, running)
  }

  async function start(spec: SandboxSpec): Promise<BubblewrapRef> {
    const running = await findRunning(spec)
    if (running) return running
    const paths = await makeSandboxFolder(spec)
    await writeBootFile(paths, spec)
    await using log = await openLog(paths, spec)
    const mark = await markOf(dataFolder)
    const trees = spec.limits.cgroups ? await findTrees() : null
    const group = trees ? await makeGroup(trees, { mark, ...spec }) : null
    const launch = await launchSandbox(sandboxCommand(mark, spec, group), log)
    if (launch.result === 'up') return refOf(spec, launch.identity)
    if (launch.result === 'locked') return waitForOther(spec)
    throw await explainFailure(launch.reason)
  }

  /** Another start of this sandbox is under way, by this process or by one that has died since. */
  async function waitForOther(spec: SandboxSpec): Promise<BubblewrapRef> {
    const until = performance.now() + startTimeoutMs
    while (performance.now() < until) {
      const running = await findRunning(spec)
      if (running) return running
      await delay(10)
    }
    throw new SandboxError('start_failed', `The folder of ${spec.sandboxId} is locked, but no process of it is found.`)
  }

  return {
    name: 'bubblewrap',
    start,
    inspect: (ref) => processState(ref).catch(() => 'unknown'),
    async stop(ref, graceMs) {
      if (!(await end(ref, graceMs))) return 'unconfirmed'
      const trees = await findTrees()
      if (trees) await removeGroup(trees, await markOf(dataFolder), ref.sandboxId)
      return 'stopped'
    },
    list: async () => (await findOurs()).map((sandbox) => refOf(sandbox, sandbox)),
    async tidy() {
      const trees = await findTrees()
      if (trees) await removeEmptyGroups(trees, await markOf(dataFolder))
    },
  }
}

async function end(ref: BubblewrapRef, graceMs: number): Promise<boolean> {
  await signal(ref, 'SIGTERM')
  if (await processEnded(ref, graceMs)) return true
  await signal(ref, 'SIGKILL')
  return processEnded(ref, killTimeoutMs)
}

/** Tells the data folders of a host apart, inside the sandbox, without telling where they lie. */
const markOf = async (dataFolder: string): Promise<string> => dataFolderName(await realpath(dataFolder))

const refOf = (
  { sandboxId, bootId }: Pick<InitIdentity, 'sandboxId' | 'bootId'>,
  { hostBootId, pid, startTicks }: ProcessIdentity,
): BubblewrapRef => ({ driver: 'bubblewrap', sandboxId, bootId, hostBootId, pid, startTicks })

type Launch = { result: 'up'; identity: ProcessIdentity } | { result: 'locked' } | { result: 'failed'; reason: string }

/** Detached: a session of its own, so that neither the server's end nor a terminal's interrupt reaches the sandbox. */
async function launchSandbox([program = '', ...args]: string[], log: FileHandle): Promise<Launch> {
  const loggedBytes = (await log.stat()).size
  const processor = processorHere()
  if (!processor) return { result: 'failed', reason: `there is no system call filter for ${process.arch}` }
  const launcher = spawn(program, args, {
    cwd: '/',
    detached: true,
    env: { PATH: hostPath },
    stdio: ['ignore', log.fd, log.fd, 'pipe', 'pipe', 'pipe'],
  })
  launcher.unref()
  write(launcher, filterFd, seccompProgram(processor))
  const ended = new Promise<string | number>((resolve) => {
    launcher.once('error', (error) => resolve(error.message))
    launcher.once('exit', (code, signal) => resolve(code ?? signal ?? ''))
  })
  const [status, up] = [lineFrom(launcher, statusFd), lineFrom(launcher, upFd)]
  // Both pipes end with the processes that were launched; only a mount that hangs is waited for in vain.
  const timeout = setTimeout(() => {
    launcher.kill('SIGKILL')
    status.close()
    up.close()
  }, startTimeoutMs)
  const [reported, said] = await Promise.all([status.line, up.line])
  clearTimeout(timeout)
  status.close()
  up.close()
  const identity = reported ? await identifyProcess(childPid(reported)) : undefined
  if (identity && said === 'up') return { result: 'up', identity }
  if (identity) await signal(identity, 'SIGKILL')
  launcher.kill('SIGKILL')
  const exit = await ended
  if (exit === lockedStatus) return { result: 'locked' }
  const { buffer, bytesRead } = await log.read({ buffer: Buffer.alloc(4_096), position: loggedBytes })
  return { result: 'failed', reason: buffer.toString('utf8', 0, bytesRead).trim() || `the launcher ended (${exit})` }
}

/** A launcher that ends before it has read says why by other means. */
function write(launcher: ChildProcess, fd: number, bytes: Buffer): void {
  const pipe = launcher.stdio[fd]
  if (!(pipe instanceof Writable)) throw new TypeError(`File descriptor ${fd} of the launcher is not a pipe.`)
  pipe.once('error', () => pipe.destroy())
  pipe.end(bytes)
}

/** The first line of a pipe, or `undefined` when the pipe ends or is closed before. */
function lineFrom(launcher: ChildProcess, fd: number): { line: Promise<string | undefined>; close: () => void } {
  const pipe = launcher.stdio[fd]
  if (!(pipe instanceof Readable)) throw new TypeError(`File descriptor ${fd} of the launcher is not a pipe.`)
  const line = new Promise<string | undefined>((resolve) => {
    let text = ''
    pipe.setEncoding('utf8')
    pipe.on('data', (chunk: string) => {
      text += chunk
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
    })
    pipe.once('close', () => resolve(undefined))
  })
  return { line, close: () => pipe.destroy() }
}

function childPid(status: string): number {
  const parsed: unknown = JSON.parse(status)
  const pid = typeof parsed === 'object' && parsed !== null && 'child-pid' in parsed ? parsed['child-pid'] : undefined
  if (typeof pid === 'number') return pid
  throw new SandboxError('start_failed', `bwrap reported no process id, but ${JSON.stringify(status)}.`)
}

/** A host that cannot run any sandbox says so with its remedy; otherwise the launcher's own words are the reason. */
async function explainFailure(reason: string): Promise<SandboxError> {
  const check = await checkBubblewrap()
  if (!check.works) return new SandboxError(check.problem, check.reason, { remedy: check.remedy, cause: reason })
  return new SandboxError('start_failed', `The sandbox ended before it was up: ${reason}`)
}

/** What cannot be reached or has ended already is seen by the caller, who looks for the end. */
async function signal(identity: ProcessIdentity, name: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if ((await processState(identity)) === 'stopped') return
  try {
    process.kill(identity.pid, name)
  } catch (error) {
    if (!hasCode(error, 'ESRCH', 'EPERM')) throw error
  }
}
