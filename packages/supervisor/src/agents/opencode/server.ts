/**
 * One agent server: a process on a loopback port with a password of its own, the leader of its process group.
 * Invariants: when `startServer` has resolved the server answers; when it has rejected, or `end` has resolved, neither
 * the agent nor any tool that it started is left.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { SessionId } from '@corral/protocol'
import { agentMark, endProcesses } from '../../host/processes.ts'
import type { AgentTimers } from '../timers.ts'
import { type AgentApi, createAgentApi } from './api.ts'
import type { ServeAccess } from './configuration.ts'

export type AgentServer = {
  api: AgentApi
  /** Resolves when the process has ended, with its last words for the supervisor's own log. */
  ended: Promise<string>
  hasEnded(): boolean
  end(): Promise<void>
}

export class AgentUnavailable extends Error {
  /** For the supervisor's own log, never for a message. */
  readonly lastWords: string
  constructor(sentence: string, lastWords: string) {
    super(sentence)
    this.name = 'AgentUnavailable'
    this.lastWords = lastWords
  }
}

const lastWordsBytes = 4 * 1024

export async function startServer(options: {
  session: SessionId
  command: string
  /** Of its tools. */
  shell: string
  cwd: string
  environment(serve: ServeAccess): Record<string, string>
  startMs: number
  timers: AgentTimers
  signal: AbortSignal
}): Promise<AgentServer> {
  const { session, startMs, timers, signal } = options
  const serve = { username: 'corral', password: randomBytes(24).toString('base64url') }
  const port = await freePort()
  const child = spawn(options.command, ['serve', '--hostname', '127.0.0.1', '--port', String(port)], {
    cwd: options.cwd,
    env: { ...options.environment(serve), CORRAL_AGENT: session, SHELL: options.shell },
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let lastWords = ''
  child.stderr.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-lastWordsBytes)
  })
  let isOver = false
  const ended = new Promise<string>((resolve) => {
    const over = (words: string) => {
      isOver = true
      resolve(words)
    }
    child.on('error', (error) => over(error.message))
    child.on('exit', (code, by) => over(`exit ${code ?? by}: ${lastWords}`))
  })
  const end = async () => {
    await endProcesses(agentMark(session))
    await ended
  }

  const api = createAgentApi({ origin: `http://127.0.0.1:${port}`, ...serve })
  const gone = ended.then(() => 'gone' as const)
  const deadline = performance.now() + startMs
  while (performance.now() < deadline && !signal.aborted) {
    if (await Promise.race([api.healthy(timers.startProbeMs), gone.then(() => false)]))
      return { api, ended, hasEnded: () => isOver, end }
    if ((await Promise.race([delay(50), gone])) === 'gone') break
  }
  await end()
  signal.throwIfAborted()
  throw new AgentUnavailable(`The agent did not answer within ${startMs / 1000} s of its start.`, await ended)
}

/** Free a moment ago; if somebody took it meanwhile, the start fails and is tried once more. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no free port')),
      )
    })
  })
}
