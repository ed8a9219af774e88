// A Docker engine of the tests' own, in a temporary folder and without a network, where this machine lets them start one.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const startTimeoutMs = 30_000
const stopTimeoutMs = 15_000

/** Why no engine can be started here; null when one can. */
export function daemonMissing(): string | null {
  if (process.geteuid?.() !== 0) return 'starting a Docker engine takes root'
  if (!programs.some((path) => existsSync(path))) return 'dockerd is not installed (apt-get install docker.io)'
  return null
}

const programs = ['/usr/sbin/dockerd', '/usr/bin/dockerd']

export type Daemon = { host: string; stop(): Promise<void> }

export async function startDaemon(): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), 'corral-docker-'))
  const socket = join(folder, 'docker.sock')
  const logFile = join(folder, 'log')
  const log = openSync(logFile, 'w')
  const daemon = spawn(
    programs.find((path) => existsSync(path)) ?? 'dockerd',
    [
      ...['--host', `unix://${socket}`, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--pidfile', join(folder, 'pid'), '--bridge=none', '--iptables=false', '--ip6tables=false'],
    ],
    { stdio: ['ignore', log, log], detached: true },
  )
  const ended = once(daemon, 'exit')
  const stop = async () => {
    daemon.kill('SIGTERM')
    const late = delay(stopTimeoutMs, 'late', { ref: false })
    if ((await Promise.race([ended, late])) === 'late') daemon.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  const until = performance.now() + startTimeoutMs
  while (!readFileSync(logFile, 'utf8').includes('API listen on')) {
    if (daemon.exitCode !== null || performance.now() > until) {
      const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join('\n')
      await stop()
      throw new Error(`The Docker engine did not start: ${said}`)
    }
    await delay(50)
  }
  return { host: `unix://${socket}`, stop }
}
