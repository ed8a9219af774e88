/**
 * One installation of Corral as its operator has it: a data folder, a folder of repositories, and `corral up` as a
 * process of its own. Invariant: `end` resolves only when nothing of it is left on this machine.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Corral, createCorral } from '@corral/client'
import { type ScriptedModelControl, scriptedModelControl } from '@corral/scripted-model'
import { type CommandEnd, type RunningCommand, runCommand, startCommand } from './commandLine.ts'
import { eventually } from './eventually.ts'
import { processesOf } from './processes.ts'

export const apiKey = 'corral_e2e_operator_0123456789abcdef'
export const internalKey = 'e2e-internal-secret-0123456789abcdef'

export type Installation = {
  /** Holds the data folder (`home`), the repositories and the log of the server. */
  folder: string
  home: string
  repositories: string
  /** The same for the whole life of the installation, also after a restart. */
  url: string
  /** A user with a key. */
  corral: Corral
  /** A back end, which has the internal key, too. */
  backEnd: Corral
  model(): Promise<ScriptedModelControl>
  /** The command line of the operator. */
  command(args: string[], env?: Record<string, string>): Promise<CommandEnd>
  startCommand(args: string[], env?: Record<string, string>): RunningCommand
  /** `env` for this life of the server alone. */
  start(env?: Record<string, string>): Promise<void>
  /** Resolves when the server has ended by itself. */
  died(): Promise<void>
  /** SIGKILL, and everything that the server has started goes on. */
  kill(): Promise<void>
  /** SIGTERM. */
  stop(): Promise<{ exitCode: number | null; tookMs: number }>
  end(): Promise<void>
}

const startMs = 180_000
const stopMs = 30_000
const endMs = 5_000

/** `env` comes on top of what every installation of the tests has; `config` is its `corral.config.json`. */
export async function startInstallation(
  options: { env?: Record<string, string>; config?: object } = {},
): Promise<Installation> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-e2e-'))
  const home = join(folder, 'home')
  const repositories = join(folder, 'repositories')
  await mkdir(repositories)
  if (options.config) await writeFile(join(folder, 'corral.config.json'), JSON.stringify(options.config))
  const env = {
    ...ambient(
      'PATH',
      'HOME',
      'TMPDIR',
      'XDG_CACHE_HOME',
      'XDG_RUNTIME_DIR',
      'CORRAL_AGENTS_DIR',
      'NODE_EXTRA_CA_CERTS',
    ),
    CORRAL_HOME: home,
    CORRAL_PORT: '0',
    CORRAL_GIT_LOCAL_ROOTS: repositories,
    CORRAL_BOOTSTRAP_API_KEY: apiKey,
    INTERNAL_API_SECRET: internalKey,
    ...options.env,
  }
  const place = { cwd: folder, env }
  let server = await startServer(place).catch(async (error: unknown) => {
    await takeDown(place)
    throw error
  })
  const { url } = server
  // From now on it comes back where its clients know it.
  place.env.CORRAL_PORT = new URL(url).port

  async function end(): Promise<void> {
    await takeDown(place)
    if (server.process.exitCode === null && server.process.signalCode === null) await once(server.process, 'exit')
  }

  return {
    folder,
    home,
    repositories,
    url,
    corral: createCorral({ url, apiKey }),
    backEnd: createCorral({ url, apiKey, internalKey }),
    model: async () => scriptedModelControl((await readFile(join(home, 'scripted-model', 'url'), 'utf8')).trim()),
    command: (args, more) => runCommand(args, { cwd: folder, env: { ...env, ...more } }),
    startCommand: (args, more) => startCommand(args, { cwd: folder, env: { ...env, ...more } }),
    async start(more) {
      server = await startServer({ cwd: folder, env: { ...env, ...more } })
      if (server.url !== url) throw new Error(`the server moved from ${url} to ${server.url}`)
    },
    async died() {
      const { exitCode, signalCode } = server.process
      if (exitCode === null && signalCode === null)
        await once(server.process, 'exit', { signal: AbortSignal.timeout(stopMs) })
    },
    async kill() {
      await signalAndWait(server.process, 'SIGKILL')
    },
    async stop() {
      const begun = performance.now()
      await signalAndWait(server.process, 'SIGTERM')
      return { exitCode: server.process.exitCode, tookMs: performance.now() - begun }
    },
    end,
  }
}

/** `corral down`, and nothing of the folder, on the disk or as a process, is left. */
async function takeDown(place: { cwd: string; env: Record<string, string> }): Promise<void> {
  const { code, stderr } = await runCommand(['down'], place)
  if (code !== 0) throw new Error(`corral down failed: ${stderr}`)
  const left = await eventually('the end of every process of the installation', endMs, async () => {
    const found = await processesOf(place.cwd)
    return found.length === 0 ? found : null
  }).catch(() => processesOf(place.cwd))
  await rm(await readlink(join(place.env.CORRAL_HOME ?? '', 'run')), { recursive: true, force: true })
  await rm(place.cwd, { recursive: true, force: true })
  if (left.length > 0)
    throw new Error(`after corral down there still is: ${left.map((it) => it.commandLine).join('; ')}`)
}

async function startServer({ cwd, env }: { cwd: string; env: Record<string, string> }) {
  const logFile = join(cwd, 'server.log')
  await using log = await open(logFile, 'a')
  const { process: server, output } = startCommand(['up'], { cwd, env, stderr: log.fd })
  const listening = await eventually('a server that listens', startMs, () => {
    if (server.exitCode !== null || server.signalCode !== null) return 'ended' as const
    return /^listening on (\S+)$/m.exec(output.stdout)?.[1] ?? null
  }).catch(() => 'ended' as const)
  if (listening !== 'ended') return { process: server, url: listening }
  server.kill('SIGKILL')
  const said = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-10).join('\n')
  throw new Error(`The server did not start. Its last words:\n${said}`)
}

async function signalAndWait(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exited = once(server, 'exit', { signal: AbortSignal.timeout(stopMs) })
  server.kill(signal)
  await exited
}

function ambient(...names: string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])))
}
