/**
 * Drives OpenCode and Kilo through `serve`. One process per session, kept between turns as long as what it was
 * started with stays the same; its history lies in the session's home and outlives it.
 */
import { createHash } from 'node:crypto'
import type { ExecuteParams, KilocodeData, SessionId } from '@corral/protocol'
import { z } from 'zod'
import { errorText } from '../../host/errorCode.ts'
import type { Log } from '../../host/log.ts'
import type { SessionEnvironment } from '../../sessions/environment.ts'
import type { Agent, TurnEnd, TurnReference, TurnSink } from '../agent.ts'
import type { AgentTimers } from '../timers.ts'
import { type AgentApi, AgentRefused } from './api.ts'
import { agentEnvironment, providerId } from './configuration.ts'
import { type FeedEvent, openFeed } from './feed.ts'
import { agentMessageId } from './messageIds.ts'
import { createProjection, type Projection } from './projection.ts'
import { type AgentServer, AgentUnavailable, startServer } from './server.ts'
import { createTurn, readTurn, type Turn, tellSubAgents } from './turn.ts'
import { createWatch, type Watch } from './watch.ts'

type Running = {
  key: string
  server: AgentServer
  projection: Projection
  /** The modes that a prompt may name. */
  modes: string[]
  closeFeed(): void
}

type StartParams = TurnReference & Partial<Pick<ExecuteParams, 'model' | 'gateway' | 'environment'>>

export type OpencodeAgentOptions = {
  session: SessionId
  environment: SessionEnvironment
  gatewayOrigin: string
  timers: AgentTimers
  log: Log
}

/** A supervisor that was restarted has no timeout from the server yet. */
const recoverStartMs = 60_000

const askSchema = z.looseObject({ id: z.string() })

export function createOpencodeAgent(options: OpencodeAgentOptions): Agent {
  const { session, environment, gatewayOrigin, timers, log } = options
  let running: Running | null = null
  /** Who is told what comes in; after a turn its stragglers still go to it. */
  let tell: (data: KilocodeData) => void = () => undefined
  let turn: Turn | null = null

  function start(params: StartParams, startMs: number, signal: AbortSignal): Promise<AgentServer> {
    const access = params.model && params.gateway ? { model: params.model, gateway: params.gateway } : undefined
    return startServer({
      session,
      command: params.agent.command,
      cwd: params.workspacePath,
      environment: (serve) => ({
        ...environment(params.home, params.environment),
        ...agentEnvironment({ access, serve, gatewayOrigin }),
      }),
      startMs,
      timers,
      signal,
    })
  }

  async function startTwice(params: ExecuteParams, signal: AbortSignal): Promise<AgentServer> {
    const { agentStartMs } = params.timeouts
    try {
      return await start(params, agentStartMs, signal)
    } catch (error) {
      if (!(error instanceof AgentUnavailable)) throw error
      log('warn', error.message, { session, lastWords: error.lastWords })
      return start(params, agentStartMs, signal)
    }
  }

  /** `projection` is there already when the agent died and this one goes on in its place. */
  /** `projection` is there already when the agent died and this one goes on in its place. */
  async function openSession(
    server: AgentServer,
    params: ExecuteParams,
    feed: AbortController,
    projection = createProjection({
      root: params.agentSessionId,
      coalesceMs: timers.coalesceMs,
      emit: (data) => tell(data),
    }),
  ): Promise<Running> {
    const { api } = server
    const root = params.agentSessionId
    await api.openSession(root)
    const [agents, models] = await Promise.all([
      api.agents(),
      api.models(),
      api.setTitle(root, params.title),
      openFeed({
        api,
        signal: feed.signal,
        log,
        handlers: {
          event(event) {
            projection.event(event)
            turn?.event(event)
            refuseAsk(api, projection, event)
          },
          connected: (again) => {
            if (again) turn?.feedBroke()
          },
        },
      }),
    ])
    // An agent that finds fault with a configuration goes on without it, and would ask for permissions and models.
    if (!models.includes(`${providerId}/${params.model.id}`))
      throw new AgentUnavailable('The agent did not take its configuration.', `it has ${models.length} other models`)
    const modes = agents.filter(({ mode, hidden }) => mode !== 'subagent' && !hidden).map(({ name }) => name)
    return { key: keyOf(params), server, projection, modes, closeFeed: () => feed.abort() }
  }

  /** None should come, since nothing is configured to ask; one that does must not wait for ever. */
  function refuseAsk(api: AgentApi, projection: Projection, { type, properties }: FeedEvent): void {
    if (type !== 'permission.asked' && type !== 'question.asked') return
    const ask = askSchema.safeParse(properties)
    if (!ask.success || !projection.sessions().has(String(properties.sessionID))) return
    const refusal = type === 'permission.asked' ? api.rejectPermission(ask.data.id) : api.rejectQuestion(ask.data.id)
    refusal.catch((error: unknown) => log('warn', 'an ask could not be refused', { session, error: errorText(error) }))
  }

  async function ready(params: ExecuteParams, { steps }: TurnSink, signal: AbortSignal): Promise<Running> {
    if (running?.key === keyOf(params) && (await running.server.api.healthy(timers.healthProbeMs))) return running
    await stop()
    const server = await steps.run('agent_start', 'Starting the agent', () => startTwice(params, signal))
    return steps.run('agent_session', "Opening the agent's session", () => keep(server, params))
  }

  async function keep(server: AgentServer, params: ExecuteParams, projection?: Projection): Promise<Running> {
    const feed = new AbortController()
    try {
      running = await openSession(server, params, feed, projection)
      return running
    } catch (error) {
      feed.abort()
      await server.end()
      throw error
    }
  }

  async function stop(): Promise<void> {
    if (!running) return
    const { server, projection, closeFeed } = running
    running = null
    closeFeed()
    await server.end()
    projection.flush()
  }

  async function prompt({ server, modes }: Running, params: ExecuteParams): Promise<void> {
    const { api } = server
    const known = params.attempt > 1 ? await api.knownMessage(params.agentSessionId, params.messageId) : undefined
    await api.prompt(params.agentSessionId, {
      messageID: known ?? agentMessageId(params.messageId),
      parts: [{ id: params.partId, type: 'text', text: params.prompt.text }],
      model: { providerID: providerId, modelID: params.model.id },
      // Kilo's building mode is called `code`.
      agent:
        [params.mode.name, params.mode.fallback, 'code'].find((mode) => modes.includes(mode)) ?? params.mode.fallback,
      system: params.appendSystemPrompt,
      variant: params.model.variant,
    })
  }

  /** What the agent's history has of a turn beyond what was told when its process died. */
  async function tellRest({ api }: AgentServer, projection: Projection, turn: TurnReference): Promise<void> {
    for (const message of await readTurn(api, turn.agentSessionId, turn.messageId)) projection.history(message)
    await tellSubAgents(api, projection)
    projection.event({
      type: 'session.status',
      properties: { sessionID: turn.agentSessionId, status: { type: 'idle' } },
    })
    projection.flush()
  }

  /** In place of the one that died; the next message finds it warm. */
  async function revive({ projection }: Running, params: ExecuteParams, signal: AbortSignal): Promise<void> {
    await stop()
    try {
      const { server } = await keep(await start(params, params.timeouts.agentStartMs, signal), params, projection)
      await tellRest(server, projection, params)
    } catch (error) {
      if (!signal.aborted) log('warn', 'the rest of the turn could not be read', { session, error: errorText(error) })
    }
  }

  return {
    stop,
    async recover(reference, sink, signal) {
      tell = createWatch(reference, sink).tell
      const server = await start(reference, recoverStartMs, signal)
      try {
        const root = reference.agentSessionId
        const projection = createProjection({ root, coalesceMs: timers.coalesceMs, emit: (data) => tell(data) })
        await tellRest(server, projection, reference)
      } finally {
        await server.end()
      }
    },
    async run(params, sink, signal): Promise<TurnEnd> {
      const watch = createWatch(params, sink)
      tell = watch.tell
      try {
        const agent = await ready(params, sink, signal)
        turn = createTurn({
          server: agent.server,
          root: params.agentSessionId,
          messageId: params.messageId,
          projection: agent.projection,
          timers,
        })
        const end = await handOver(agent, turn, params, sink, watch, signal)
        if (end !== 'gone') return end
        log('warn', 'the agent died in the middle of a turn', { session, lastWords: await agent.server.ended })
        await revive(agent, params, signal)
        if (signal.aborted) return { result: 'stopped' }
        return { result: 'failed', reason: 'agent_restarted', message: 'The agent ended in the middle of the work.' }
      } catch (error) {
        await stop()
        if (signal.aborted) return { result: 'stopped' }
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

  async function handOver(
    agent: Running,
    current: Turn,
    params: ExecuteParams,
    sink: TurnSink,
    watch: Watch,
    signal: AbortSignal,
  ): Promise<TurnEnd | 'gone'> {
    const gone = agent.server.ended.then(() => 'gone' as const)
    const handed = sink.steps.run('prompt_send', 'Handing over the prompt', () => prompt(agent, params))
    if (
      (await Promise.race([
        gone,
        handed.then(
          () => 'handed',
          (error: unknown) => ({ error }),
        ),
      ])) === 'gone'
    )
      return 'gone'
    await handed
    sink.started()
    watch.awaitFirst(sink.steps.open('first_event', "Waiting for the agent's first event"))
    return current.ended(signal)
  }
}

/** A process serves as long as these stay as they were at its start. */
function keyOf({ agent, environment, model, gateway, workspacePath, home }: ExecuteParams): string {
  const { id, wire } = model
  const all = JSON.stringify([agent, environment, id, wire, gateway, workspacePath, home])
  return createHash('sha256').update(all).digest('hex')
}
