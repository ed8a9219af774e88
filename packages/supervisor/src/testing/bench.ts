/** A place for one supervisor outside of a sandbox: folders, a boot file, the server's side of the link, a clean-up. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BootFile, newSessionId, type SessionId } from '@corral/protocol'
import type { AgentTimers } from '../agents/timers.ts'
import { createLog } from '../host/log.ts'
import { endProcesses, sessionMark } from '../host/processes.ts'
import { type Supervisor, startSupervisor } from '../supervisor.ts'
import { boundsIn } from './bounds.ts'
import { type LinkServer, startLinkServer } from './linkServer.ts'
import { shortLinkTimers } from './shortTimers.ts'

const GiB = 1024 ** 3

export type Bench = {
  root: string
  stateDir: string
  session: SessionId
  workspacePath: string
  home: string
  server: LinkServer
  log: string[]
  /** One more supervisor on the same folders, connected. */
  start(): Promise<Supervisor>
  /** The same as a process of its own, which can be killed. */
  startProcess(): Promise<ChildProcess>
  [Symbol.asyncDispose](): Promise<void>
}

export async function createBench(options: { gatewaySocket?: string; agentTimers?: AgentTimers } = {}): Promise<Bench> {
  const root = mkdtempSync(join(tmpdir(), 'corral-sup-'))
  const stateDir = join(root, 'state')
  mkdirSync(stateDir)
  const session = newSessionId()
  const log: string[] = []
  const boot: BootFile = {
    sandboxId: 'sbx_test',
    bootId: 'boot_test',
    linkToken: 'link-token',
    limits: { memoryBytes: 64 * GiB, processes: 32_768, diskBytes: 1024 * GiB },
    doors: { server: join(root, 'server.sock'), gateway: options.gatewaySocket ?? join(root, 'gateway.sock') },
  }
  writeFileSync(join(stateDir, 'boot.json'), JSON.stringify(boot), { mode: 0o600 })
  const server = await startLinkServer(boot.doors.server)
  server.assign(session)
  const supervisors: Supervisor[] = []
  const children: ChildProcess[] = []
  return {
    root,
    stateDir,
    session,
    server,
    log,
    workspacePath: join(root, 'workspace', session),
    home: join(root, 'home', session),
    async start() {
      const hellos = server.hellos.length
      const supervisor = await startSupervisor({
        stateDir,
        environment: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8', TERM: 'dumb' },
        gatewayDoorPort: 0,
        webDoorPort: 0,
        bounds: boundsIn(root),
        linkTimers: shortLinkTimers,
        agentTimers: options.agentTimers,
        log: createLog((line) => log.push(line)),
      })
      supervisors.push(supervisor)
      await server.until(() => server.hellos.length > hellos)
      return supervisor
    },
    async startProcess() {
      const hellos = server.hellos.length
      const entry = fileURLToPath(new URL('./supervisorProcess.ts', import.meta.url))
      const child = spawn(process.execPath, [entry, stateDir], { stdio: ['ignore', 'ignore', 'pipe'] })
      child.stderr.on('data', (chunk) => log.push(String(chunk)))
      children.push(child)
      await server.until(() => server.hellos.length > hellos)
      return child
    },
    async [Symbol.asyncDispose]() {
      for (const supervisor of supervisors) await supervisor.stop()
      for (const child of children) child.kill('SIGKILL')
      await endProcesses(sessionMark(session))
      await server.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}
