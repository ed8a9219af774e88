/**
 * Our session inside a running agent: opened under our id and title, its feed followed, prompts handed over. Invariants:
 * the feed is there before any prompt; an ask that comes although nothing is configured to ask is refused, so that
 * nobody waits for ever.
 */
import type { ExecuteParams } from '@corral/protocol'
import { z } from 'zod'
import { errorText } from '../../host/errorCode.ts'
import type { Log } from '../../host/log.ts'
import type { AgentApi } from './api.ts'
import { providerId } from './configuration.ts'
import { type FeedEvent, openFeed } from './feed.ts'
import { agentMessageId } from './messageIds.ts'
import type { Projection } from './projection.ts'
import { type AgentServer, AgentUnavailable } from './server.ts'

export type Conversation = {
  server: AgentServer
  projection: Projection
  prompt(params: ExecuteParams): Promise<void>
  /** Ends the feed; the agent itself goes on. */
  close(): void
}

export async function openConversation(options: {
  server: AgentServer
  params: ExecuteParams
  projection: Projection
  /** After the event was told. */
  event(event: FeedEvent): void
  /** The feed broke and is there again. */
  feedBroke(): void
  log: Log
}): Promise<Conversation> {
  const { server, params, projection, log } = options
  const { api } = server
  const root = params.agentSessionId
  const feed = new AbortController()
  try {
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
            options.event(event)
            refuseAsk(api, projection, event, log)
          },
          connected: (again) => {
            if (again) options.feedBroke()
          },
        },
      }),
    ])
    // An agent that finds fault with a configuration goes on without it, and would ask for permissions and models.
    if (!models.includes(`${providerId}/${params.model.id}`))
      throw new AgentUnavailable('The agent did not take its configuration.', `it has ${models.length} other models`)
    const modes = agents.filter(({ mode, hidden }) => mode !== 'subagent' && !hidden).map(({ name }) => name)
    return { server, projection, prompt: (next) => prompt(api, modes, next), close: () => feed.abort() }
  } catch (error) {
    feed.abort()
    throw error
  }
}

async function prompt(api: AgentApi, modes: string[], params: ExecuteParams): Promise<void> {
  const { mode, model } = params
  const known = params.attempt > 1 ? await api.knownMessage(params.agentSessionId, params.messageId) : undefined
  await api.prompt(params.agentSessionId, {
    messageID: known ?? agentMessageId(params.messageId),
    parts: [{ id: params.partId, type: 'text', text: params.prompt.text }],
    model: { providerID: providerId, modelID: model.id },
    // Kilo's building mode is called `code`.
    agent: [mode.name, mode.fallback, 'code'].find((name) => modes.includes(name)) ?? mode.fallback,
    system: params.appendSystemPrompt,
    variant: model.variant,
  })
}

const askSchema = z.looseObject({ id: z.string(), sessionID: z.string() })

function refuseAsk(api: AgentApi, projection: Projection, { type, properties }: FeedEvent, log: Log): void {
  if (type !== 'permission.asked' && type !== 'question.asked') return
  const ask = askSchema.safeParse(properties).data
  if (!ask || !projection.sessions().has(ask.sessionID)) return
  const refusal = type === 'permission.asked' ? api.rejectPermission(ask.id) : api.rejectQuestion(ask.id)
  refusal.catch((error: unknown) => log('warn', 'an ask could not be refused', { error: errorText(error) }))
}
