/**
 * Drives OpenCode and Kilo through `serve`. One process per session, kept between turns as long as what it was
 * started with stays the same; its history lies in the session's home and outlives it.
 */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { defaultPermissions, type ExecuteParams, type KilocodeData, type SessionId } from '@corral/protocol'
import { errorText } from '../../host/errorCode.ts'
import type { Log } from '../../host/log.ts'
import { agentMark, endProcesses } from '../../host/processes.ts'
import type { SessionEnvironment } from '../../sessions/environment.ts'
import type { Agent, TurnEnd, TurnReference, TurnSink } from '../agent.ts'
import type { AgentTimers } from '../timers.ts'
import { AgentRefused } from './api.ts'
import { agentEnvironment } from './configuration.ts'
import { AgentMisconfigured, type Conversation, openConversation } from './conversation.ts'
import { withMcpTools } from './mcp.ts'
import { createProjection, type Projection } from './projection.ts'
import { type AgentServer, AgentUnavailable, startServer } from './server.ts'
import { createTurn, idle, readTurn, type Turn, tellSubAgents } from './turn.ts'
import { createWatch, type Watch } from './watch.ts'

type StartParams = TurnReference &
  Partial<Pick<ExecuteParams, 'mcpServers' | 'model' | 'gateway' | 'environment' | 'permissions'>>

export type OpencodeAgentOptions = {
  session: SessionId
  environment: SessionEnvironment
  gatewayOrigin: string
  timers: AgentTimers
  log: Log
}

/** A supervisor that was restarted has no timeout from the server yet. */
const recoverStartMs = 60_000
/** Between an agent's last answer and the news of its death. */
const deathMs = 500

export function createOpencodeAgent(options: OpencodeAgentOptions): Agent {
  const { session, environment, gatewayOrigin, timers, log } = options
  let running: (Conversation & { key: string }) | null = null
  /** Who is told what comes in; after a turn its stragglers still go to it. */
  let tell: (data: KilocodeData) => void = () => undefined
  let tellGone: (askId: string) => void = () => undefined
  let turn: Turn | null = null

  const newProjection = (root: string) =>
    createProjection({ root, coalesceMs: timers.coalesceMs, emit: (data) => tell(data) })

  function start(params: StartParams, startMs: number, signal: AbortSignal): Promise<AgentServer> {
    const { mcpServers, environment: variables = {} } = params
    const access = params.model && params.gateway ? { model: params.model, gateway: params.gateway } : undefined
    const mcp = mcpServers && { mcpServers, environment: variables }
    const policy = params.permissions ?? defaultPermissions
    return startServer({
      session,
      command: params.agent.command,
      cwd: params.workspacePath,
      environment: (serve) => ({
        ...environment(params.home, variables),
        ...agentEnvironment({ access, policy, mcp, serve, gatewayOrigin }),
      }),
      startMs,
      timers,
      signal,
    })
  }

  async function open(server: AgentServer, params: ExecuteParams, projection: Projection): Promise<Conversation> {
    try {
      const conversation = await openConversation({
        server,
        params,
        projection,
        event: (event) => turn?.event(event),
        feedBroke: () => turn?.feedBroke(),
        askGone: (askId) => tellGone(askId),
        log,
      })
      running = { ...conversation, key: keyOf(params) }
      return conversation
    } catch (error) {
      const died = await hasDied(server)
      await server.end()
      throw died ? new AgentUnavailable('The agent ended while its session was opened.', await server.ended) : error
    }
  }

  /** An agent that is gone before it has the prompt has done nothing yet, so it is started once more. */
  async function ready(params: ExecuteParams, { steps }: TurnSink, signal: AbortSignal): Promise<Conversation> {
    if (running?.key === keyOf(params) && (await running.server.api.healthy(timers.healthProbeMs))) {
      running.asks.policy(params)
      return running
    }
    await stop()
    const launch = async (mark: '' | ':again') => {
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
      return await launch('').catch((error: unknown) => {
        if (!(error instanceof AgentUnavailable) || signal.aborted) throw error
        log('warn', error.message, { session, lastWords: error.lastWords })
        return launch(':again')
      })
    } finally {
      signal.removeEventListener('abort', giveUp)
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

  /** What the agent's history has of a turn beyond what was told when its process died. */
  async function tellRest({ api }: AgentServer, projection: Projection, died: TurnReference): Promise<void> {
    const answer = await readTurn(api, died.agentSessionId, died.messageId)
    for (const message of answer) projection.history(message)
    await tellSubAgents(api, projection, answer)
    projection.event(idle(died.agentSessionId))
    projection.flush()
  }

  /** In place of the one that died; the next message finds it warm. */
  async function revive({ projection }: Conversation, params: ExecuteParams, signal: AbortSignal): Promise<void> {
    await stop()
    try {
      const { server } = await open(await start(params, params.timeouts.agentStartMs, signal), params, projection)
      await tellRest(server, projection, params)
    } catch (error) {
      if (!signal.aborted) log('warn', 'the rest of the turn could not be read', { session, error: errorText(error) })
    }
  }

  /** From the prompt to the end of the turn. */
  async function play(
    { server, projection, prompt }: Conversation,
    params: ExecuteParams,
    sink: TurnSink,
    watch: Watch,
    signal: AbortSignal,
  ): Promise<TurnEnd | 'gone'> {
    const { agentSessionId: root, messageId } = params
    const current = createTurn({ server, root, messageId, projection, timers })
    turn = current
    try {
      await sink.steps.run('prompt_send', 'Handing over the prompt', () => prompt(params))
    } catch (error) {
      if (await hasDied(server)) return 'gone'
      throw error
    }
    sink.started()
    watch.awaitFirst(sink.steps.open('first_event', "Waiting for the agent's first event"))
    return current.ended(signal)
  }

  return {
    stop,
    async answer(params) {
      return running ? running.asks.answer(params) : 'gone'
    },
    async recover(reference, sink, signal) {
      tell = createWatch(reference, sink).tell
      const server = await start(reference, recoverStartMs, signal)
      try {
        await tellRest(server, newProjection(reference.agentSessionId), reference)
      } finally {
        await server.end()
      }
    },
    async run(given, sink, signal): Promise<TurnEnd> {
      const params = { ...given, permissions: withMcpTools(given.permissions, given.mcpServers) }
      const watch = createWatch(params, sink)
      tell = watch.tell
      tellGone = sink.askGone
      try {
        const conversation = await ready(params, sink, signal)
        const end = await play(conversation, params, sink, watch, signal)
        if (end !== 'gone') return end
        log('warn', 'the agent died in the middle of a turn', { session, lastWords: await conversation.server.ended })
        await revive(conversation, params, signal)
        if (signal.aborted) return { result: 'stopped' }
        return { result: 'failed', reason: 'agent_restarted', message: 'The agent ended in the middle of the work.' }
      } catch (error) {
        await stop()
        if (signal.aborted) return { result: 'stopped' }
        if (error instanceof AgentMisconfigured)
          return { result: 'failed', reason: 'invalid_configuration', message: error.message }
        const lastWords = error instanceof AgentUnavailable ? error.lastWords : undefined
        log('warn', 'a turn could not begin', { session, error: errorText(error), lastWords })
        return error instanceof AgentRefused
          ? { result: 'failed', reason: 'agent_error', message: error.message }
          : { result: 'failed', reason: 'agent_unavailable', message: 'The agent could not be started.' }
      } finally {
        turn = null
        watch.end()
      }
    },
  }
}

/** A call of its API has failed: because it is gone, or for another reason? */
const hasDied = (server: AgentServer): Promise<boolean> =>
  Promise.race([server.ended.then(() => true), delay(deathMs, false)])

/** A process serves as long as these stay as they were at its start. */
function keyOf({ agent, environment, model, permissions, mcpServers, gateway, workspacePath, home }: ExecuteParams) {
  const { id, wire } = model
  const all = JSON.stringify([agent, environment, id, wire, permissions, mcpServers, gateway, workspacePath, home])
  return createHash('sha256').update(all).digest('hex')
}
