/**
 * Our session inside a running agent: opened under our id and title, its feed followed, prompts handed over. Invariants:
 * the feed is there before any prompt; no prompt is handed over where the repository's own configuration would allow
 * more than the session's policy does.
 */
import { type AgentCommand, type ExecuteParams, isAskEvent, isSuggestionEvent, type WarmParams } from '@corral/protocol'
import { errorText } from '../../host/errorCode.ts'
import type { Log } from '../../host/log.ts'
import type { AgentApi } from './api.ts'
import { type Asks, createAsks } from './asks.ts'
import { admitCommand, beginCommand, shownCommands } from './commands.ts'
import { providerId } from './configuration.ts'
import { type FeedEvent, openFeed } from './feed.ts'
import type { FilePart } from './files.ts'
import { agentMessageId } from './messageIds.ts'
import { deniedTools, loosened } from './permissions.ts'
import { type Projection, sessionOf } from './projection.ts'
import { type AgentServer, AgentUnavailable } from './server.ts'
import { playWarmUp, removeWarmUp } from './warmUp.ts'

export type Conversation = {
  server: AgentServer
  projection: Projection
  asks: Asks
  /** A prompt or a command; resolves when the agent has it. Throws `PromptNotRun`. */
  prompt(params: ExecuteParams, files: FilePart[], signal: AbortSignal): Promise<void>
  commands(): Promise<AgentCommand[]>
  /** Lets the agent load what its first prompt would wait for; see `warmUp.ts`. */
  warmUp(mode: WarmParams['mode'], signal: AbortSignal): Promise<void>
  /** Ends the feed; the agent itself goes on. */
  close(): void
}

/** It cannot be run as its session is configured, and trying again would not change that. */
export class AgentMisconfigured extends Error {
  constructor(sentence: string) {
    super(sentence)
    this.name = 'AgentMisconfigured'
  }
}

export async function openConversation(options: {
  server: AgentServer
  params: WarmParams
  projection: Projection
  /** After the event was told. */
  event(event: FeedEvent): void
  /** The feed broke and is there again. */
  feedBroke(): void
  /** The agent has forgotten an ask that was told. */
  askGone(askId: string): void
  log: Log
}): Promise<Conversation> {
  const { server, params, projection, log } = options
  const { api } = server
  const root = params.agentSessionId
  const feed = new AbortController()
  const asks = createAsks({
    api,
    policy: params,
    tell,
    gone: options.askGone,
    log,
  })
  function tell(event: FeedEvent): void {
    // This agent works for us alone: who asks and is not known is a sub-agent whose beginning the feed has lost.
    const isAsk = isAskEvent(event.type) || isSuggestionEvent(event.type)
    const asking = isAsk ? sessionOf(event.properties) : undefined
    if (asking) projection.addSession(asking)
    projection.event(event)
    if (asking) asks.event(event)
  }
  try {
    await api.openSession(root)
    const [agents, models, config] = await Promise.all([
      api.agents(),
      api.models(),
      api.config(),
      api.setTitle(root, params.title).then(() => api.addRules(root, deniedTools(params.permissions))),
      removeWarmUp(api, root),
      openFeed({
        api,
        signal: feed.signal,
        log,
        handlers: {
          event(event) {
            tell(event)
            options.event(event)
          },
          connected: (again) => {
            if (!again) return
            options.feedBroke()
            asks.compare().catch((error: unknown) => {
              log('warn', 'the asks of the agent could not be read', { error: errorText(error) })
            })
          },
        },
      }),
    ])
    // An agent that finds fault with a configuration goes on without it, and would ask for permissions and models.
    if (!models.includes(`${providerId}/${params.model.id}`))
      throw new AgentUnavailable('The agent did not take its configuration.', `it has ${models.length} other models`)
    const looser = loosened(params.permissions, config)
    if (looser) throw new AgentMisconfigured(looser)
    const modes = agents.filter(({ mode, hidden }) => mode !== 'subagent' && !hidden).map(({ name }) => name)
    return {
      server,
      projection,
      asks,
      prompt: (next, files, signal) =>
        next.command ? command(api, modes, next, signal) : prompt(api, modes, next, files),
      commands: async () => shownCommands(await api.commands()),
      warmUp: (mode, signal) => playWarmUp({ api, root, agent: agentOf(modes, mode), signal }),
      close: () => feed.abort(),
    }
  } catch (error) {
    feed.abort()
    throw error
  }
}

/** The agent's id of our message: that of an earlier attempt, if it was handed over then. */
async function messageIdFor(api: AgentApi, params: ExecuteParams): Promise<string> {
  const known = params.attempt > 1 ? await api.knownMessage(params.agentSessionId, params.messageId) : undefined
  return known ?? agentMessageId(params.messageId)
}

async function command(api: AgentApi, modes: string[], params: ExecuteParams, signal: AbortSignal): Promise<void> {
  const { command: call, mode, model } = params
  if (!call) return
  admitCommand(call, await api.commands(), params)
  const body = {
    messageID: await messageIdFor(api, params),
    command: call.name,
    arguments: call.arguments,
    model: `${providerId}/${model.id}`,
    agent: agentOf(modes, mode),
    variant: model.variant,
  }
  await beginCommand(api, params.agentSessionId, body, signal)
}

async function prompt(api: AgentApi, modes: string[], params: ExecuteParams, files: FilePart[]): Promise<void> {
  const { mode, model, prompt, partId } = params
  await api.prompt(params.agentSessionId, {
    messageID: await messageIdFor(api, params),
    parts: [...(prompt.text === '' ? [] : [{ id: partId, type: 'text' as const, text: prompt.text }]), ...files],
    model: { providerID: providerId, modelID: model.id },
    agent: agentOf(modes, mode),
    system: params.appendSystemPrompt,
    variant: model.variant,
    editorContext: params.editorContext,
  })
}

/** Kilo's building mode is called `code`. */
const agentOf = (modes: string[], { name, fallback }: WarmParams['mode']): string =>
  [name, fallback, 'code'].find((known) => modes.includes(known)) ?? fallback
