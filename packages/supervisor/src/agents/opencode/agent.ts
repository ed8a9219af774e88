/**
 * Drives OpenCode and Kilo through `serve`: turns in the process that `process.ts` keeps, and what becomes of a turn when
 * that dies.
 */
import type { AgentCommand, ExecuteParams, KilocodeData, SessionId, WarmParams } from '@corral/protocol'
import { errorText } from '../../host/errorCode.ts'
import type { Log } from '../../host/log.ts'
import type { SessionEnvironment } from '../../sessions/environment.ts'
import type { Agent, TurnEnd, TurnReference, TurnSink } from '../agent.ts'
import type { AgentTimers } from '../timers.ts'
import { AgentRefused } from './api.ts'
import { AgentMisconfigured, type Conversation } from './conversation.ts'
import { type FetchAttachment, filePartsOf } from './files.ts'
import type { FetchHistory } from './importHistory.ts'
import { withMcpTools } from './mcp.ts'
import { createAgentProcess, hasDied } from './process.ts'
import { createProjection, type Projection } from './projection.ts'
import { PromptNotRun } from './promptNotRun.ts'
import { type AgentServer, AgentUnavailable } from './server.ts'
import { createTurn, idle, readTurn, type Turn, tellSubAgents } from './turn.ts'
import { createWatch, type Watch } from './watch.ts'

export type OpencodeAgentOptions = {
  /** Puts the conversation that began elsewhere into a file that is not there yet. */
  fetchHistory: FetchHistory
  fetchAttachment: FetchAttachment
  session: SessionId
  environment: SessionEnvironment
  gatewayOrigin: string
  /** What it can be asked for by name, whenever it may have changed. */
  tellCommands(commands: AgentCommand[]): void
  /** What it starts for its tools. */
  shell: string
  /** Whether the agent, which has just died, did so for want of memory. */
  diedOfMemory(): boolean
  timers: AgentTimers
  log: Log
}

/** A supervisor that was restarted has no timeout from the server yet. */
const recoverStartMs = 60_000

export function createOpencodeAgent(options: OpencodeAgentOptions): Agent {
  const { session, timers, log } = options
  /** Who is told what comes in; after a turn its stragglers still go to it. */
  let tell: (data: KilocodeData) => void = () => undefined
  let tellGone: (askId: string) => void = () => undefined
  let turn: Turn | null = null
  /** Whose commands were told. */
  let learned: AgentServer | null = null

  const newProjection = (root: string) =>
    createProjection({ root, coalesceMs: timers.coalesceMs, emit: (data) => tell(data) })
  const agent = createAgentProcess({
    ...options,
    newProjection,
    event: (event) => turn?.event(event),
    feedBroke: () => turn?.feedBroke(),
    askGone: (askId) => tellGone(askId),
  })

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
    await agent.stop()
    try {
      const revived = await agent.start(params, params.timeouts.agentStartMs, signal)
      const { server } = await agent.open(revived, params, projection)
      await tellRest(server, projection, params)
    } catch (error) {
      if (!signal.aborted) log('warn', 'the rest of the turn could not be read', { session, error: errorText(error) })
    }
  }

  /** Once per process of the agent, which reads them at its start; never in the way of a prompt. */
  async function learnCommands(conversation: Conversation): Promise<void> {
    if (learned === conversation.server) return
    try {
      options.tellCommands(await conversation.commands())
      learned = conversation.server
    } catch (error) {
      log('warn', 'the commands of the agent could not be read', { session, error: errorText(error) })
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
      await sink.steps.run('prompt_send', 'Handing over the prompt', async () =>
        prompt(params, await filePartsOf(params, options.fetchAttachment, signal), signal),
      )
    } catch (error) {
      if (await hasDied(server)) return 'gone'
      throw error
    }
    // Until now it was our line that stood for it; what the agent has made of it takes its place.
    if (params.command || params.prompt.text === '') tell(withoutPart(params))
    sink.started()
    watch.awaitFirst(sink.steps.open('first_event', "Waiting for the agent's first event"))
    return current.ended(signal)
  }

  return {
    stop: agent.stop,
    runs: agent.runs,
    async answer(params) {
      return agent.conversation()?.asks.answer(params) ?? 'gone'
    },
    async rename(agentSessionId, title) {
      const api = agent.conversation()?.server.api
      if (!api) return false
      try {
        await api.setTitle(agentSessionId, title)
        return true
      } catch (error) {
        log('warn', 'the agent did not take another title', { session, error: errorText(error) })
        return false
      }
    },
    async warm(given, steps, signal) {
      const conversation = await agent.ready(withTools(given), steps, signal)
      const { server, warmUp } = conversation
      try {
        await warmUp(given.mode, signal)
        await learnCommands(conversation)
      } catch (error) {
        // If that was its death, `runs` knows of it from now on.
        await hasDied(server)
        throw error
      }
    },
    async recover(reference, sink, signal) {
      tell = createWatch(reference, sink).tell
      const server = await agent.start(reference, recoverStartMs, signal)
      try {
        await tellRest(server, newProjection(reference.agentSessionId), reference)
      } finally {
        await server.end()
      }
    },
    async run(given, sink, signal): Promise<TurnEnd> {
      const params = withTools(given)
      const watch = createWatch(params, sink)
      tell = watch.tell
      tellGone = sink.askGone
      try {
        const conversation = await agent.ready(params, sink.steps, signal)
        const end = await play(conversation, params, sink, watch, signal)
        if (end !== 'gone') {
          await learnCommands(conversation)
          return end
        }
        log('warn', 'the agent died in the middle of a turn', { session, lastWords: await conversation.server.ended })
        const starved = options.diedOfMemory()
        await revive(conversation, params, signal)
        if (signal.aborted) return { result: 'stopped' }
        if (starved) return outOfMemory
        return { result: 'failed', reason: 'agent_restarted', message: 'The agent ended in the middle of the work.' }
      } catch (error) {
        if (error instanceof PromptNotRun && !signal.aborted)
          return { result: 'failed', reason: error.reason, message: error.message }
        await agent.stop()
        if (signal.aborted) return { result: 'stopped' }
        if (error instanceof AgentMisconfigured)
          return { result: 'failed', reason: 'invalid_configuration', message: error.message }
        const lastWords = error instanceof AgentUnavailable ? error.lastWords : undefined
        log('warn', 'a turn could not begin', { session, error: errorText(error), lastWords })
        if (options.diedOfMemory()) return outOfMemory
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

const withTools = <P extends WarmParams>(given: P): P => ({
  ...given,
  permissions: withMcpTools(given.permissions, given.mcpServers),
})

const withoutPart = ({ agentSessionId, messageId, partId }: ExecuteParams): KilocodeData => ({
  type: 'message.part.removed',
  properties: { sessionID: agentSessionId, messageID: messageId, partID: partId },
})

const outOfMemory = {
  result: 'failed',
  reason: 'out_of_memory',
  message: 'The sandbox ran out of memory, and the agent ended for it.',
} as const
