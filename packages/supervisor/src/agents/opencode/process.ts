/**
 * The one process of a session's agent and the conversation in it: started when somebody needs it, kept as long as what it
 * was started with stays the same, shared with whoever needs the same one while it starts. Its history lies in the
 * session's home and outlives it.
 */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { defaultPermissions, type SessionId, type WarmParams } from '@corral/protocol'
import type { Log } from '../../host/log.ts'
import { agentMark, endProcesses } from '../../host/processes.ts'
import type { SessionEnvironment } from '../../sessions/environment.ts'
import type { Steps } from '../../sessions/steps.ts'
import type { TurnReference } from '../agent.ts'
import type { AgentTimers } from '../timers.ts'
import { agentEnvironment, type ServeAccess } from './configuration.ts'
import { type Conversation, openConversation } from './conversation.ts'
import type { FeedEvent } from './feed.ts'
import { type FetchHistory, importHistory } from './importHistory.ts'
import type { Projection } from './projection.ts'
import { type AgentServer, AgentUnavailable, startServer } from './server.ts'

type StartParams = Pick<TurnReference, 'agent' | 'workspacePath' | 'home'> &
  Partial<Pick<WarmParams, 'mcpServers' | 'model' | 'gateway' | 'environment' | 'permissions'>>

export type AgentProcess = {
  /** Null while there is none, or it is still opened. */
  conversation(): Conversation | null
  runs(): boolean
  /** One that is gone before it has a prompt has done nothing yet, so it is started once more. */
  ready(params: WarmParams, steps: Steps, signal: AbortSignal): Promise<Conversation>
  start(params: StartParams, startMs: number, signal: AbortSignal): Promise<AgentServer>
  /** Our session in a process that was started. */
  open(server: AgentServer, params: WarmParams, projection: Projection): Promise<Conversation>
  stop(): Promise<void>
}

/** An import serves nobody. */
const nobody: ServeAccess = { username: '', password: '' }

/** Between an agent's last answer and the news of its death. */
const deathMs = 500

export function createAgentProcess(options: {
  session: SessionId
  environment: SessionEnvironment
  gatewayOrigin: string
  shell: string
  timers: AgentTimers
  newProjection(root: string): Projection
  /** Of the conversation; see there. */
  event(event: FeedEvent): void
  feedBroke(): void
  askGone(askId: string): void
  fetchHistory: FetchHistory
  log: Log
}): AgentProcess {
  const {
    session,
    environment,
    gatewayOrigin,
    shell,
    timers,
    newProjection,
    event,
    feedBroke,
    askGone,
    fetchHistory,
    log,
  } = options
  let running: (Conversation & { key: string }) | null = null
  let opening: { key: string; done: Promise<Conversation>; abort(): void } | null = null

  function environmentOf(params: StartParams, serve: ServeAccess): Record<string, string> {
    const { mcpServers, environment: variables = {} } = params
    const access = params.model && params.gateway ? { model: params.model, gateway: params.gateway } : undefined
    const mcp = mcpServers && { mcpServers, environment: variables }
    const policy = params.permissions ?? defaultPermissions
    return {
      ...environment(params.home, variables),
      ...agentEnvironment({ access, policy, mcp, serve, gatewayOrigin }),
    }
  }

  function start(params: StartParams, startMs: number, signal: AbortSignal): Promise<AgentServer> {
    return startServer({
      session,
      command: params.agent.command,
      shell,
      cwd: params.workspacePath,
      environment: (serve) => environmentOf(params, serve),
      startMs,
      timers,
      signal,
    })
  }

  async function open(server: AgentServer, params: WarmParams, projection: Projection): Promise<Conversation> {
    try {
      const conversation = await openConversation({ server, params, projection, event, feedBroke, askGone, log })
      running = { ...conversation, key: keyOf(params) }
      return conversation
    } catch (error) {
      const died = await hasDied(server)
      await server.end()
      throw died ? new AgentUnavailable('The agent ended while its session was opened.', await server.ended) : error
    }
  }

  async function launch(params: WarmParams, steps: Steps, signal: AbortSignal): Promise<Conversation> {
    await stop()
    const attempt = async (mark: '' | ':again') => {
      if (params.history) {
        await steps.run(
          'restore',
          'Bringing the conversation from before to the agent',
          () => importHistory({ params, environment: environmentOf(params, nobody), fetchHistory, signal }),
          `history${mark}`,
        )
      }
      const server = await steps.run(
        'agent_start',
        'Starting the agent',
        () => start(params, params.timeouts.agentStartMs, signal),
        `agent_start${mark}`,
      )
      return steps.run(
        'agent_session',
        "Opening the agent's session",
        () => open(server, params, newProjection(params.agentSessionId)),
        `agent_session${mark}`,
      )
    }
    const giveUp = () => void endProcesses(agentMark(session))
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await attempt('').catch((error: unknown) => {
        if (!(error instanceof AgentUnavailable) || signal.aborted) throw error
        log('warn', error.message, { session, lastWords: error.lastWords })
        return attempt(':again')
      })
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  /** What somebody else opens, if it is what is needed; else that is given up. */
  async function opened(key: string, signal: AbortSignal): Promise<Conversation | null> {
    if (!opening) return null
    const { done } = opening
    if (opening.key !== key) opening.abort()
    return Promise.race([done.catch(() => null), rejection(signal)])
  }

  async function ready(params: WarmParams, steps: Steps, signal: AbortSignal): Promise<Conversation> {
    const key = keyOf(params)
    await opened(key, signal)
    if (running?.key === key && (await running.server.api.healthy(timers.healthProbeMs))) {
      running.asks.policy(params)
      return running
    }
    const given = new AbortController()
    const done = launch(params, steps, AbortSignal.any([signal, given.signal]))
    const mine = { key, done, abort: () => given.abort() }
    opening = mine
    try {
      return await done
    } finally {
      if (opening === mine) opening = null
    }
  }

  async function stop(): Promise<void> {
    if (!running) return
    const { server, projection, close } = running
    running = null
    close()
    await server.end()
    projection.flush()
  }

  return {
    conversation: () => running,
    runs: () => running !== null && !running.server.hasEnded(),
    ready,
    start,
    open,
    stop,
  }
}

/** A call of its API has failed: because it is gone, or for another reason? */
export const hasDied = (server: AgentServer): Promise<boolean> =>
  Promise.race([server.ended.then(() => true), delay(deathMs, false)])

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.throwIfAborted()
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** A process serves as long as these stay as they were at its start. */
function keyOf({ agent, environment, model, permissions, mcpServers, gateway, workspacePath, home }: WarmParams) {
  const { id, wire } = model
  const all = JSON.stringify([agent, environment, id, wire, permissions, mcpServers, gateway, workspacePath, home])
  return createHash('sha256').update(all).digest('hex')
}
