/**
 * The few routes of the agent's HTTP server that we use, each bounded. Answers are checked as far as we rely on them,
 * and carry our message ids. Loopback only, so an agent that is slow to answer is busy, not far away.
 */
import { request as httpRequest } from 'node:http'
import {
  type EditorContext,
  messageInfoSchema,
  partSchema,
  permissionRequestSchema,
  questionRequestSchema,
} from '@corral/protocol'
import { z } from 'zod'
import { commandSchema } from './commands.ts'
import type { ServeAccess } from './configuration.ts'
import type { FilePart } from './files.ts'
import { knownAgentMessageId, toOurIds } from './messageIds.ts'
import { type AgentRule, mergedConfigSchema } from './permissions.ts'

const boundMs = 30_000
/** The agent loads what it needs for a folder on the first call that concerns it. */
const firstCallMs = 60_000

const assistantSchema = messageInfoSchema.extend({
  parentID: z.string().nullish(),
  error: z.looseObject({ name: z.string(), data: z.looseObject({}).nullish() }).nullish(),
  time: z.looseObject({ created: z.number(), completed: z.number().nullish() }),
})
const messageSchema = z.looseObject({ info: assistantSchema, parts: z.array(partSchema) })
const messagesSchema = z.array(messageSchema)
const statusesSchema = z.record(z.string(), z.looseObject({ type: z.string() }))
const sessionSchema = z.looseObject({ id: z.string(), time: z.looseObject({ created: z.number() }) })
const providersSchema = z.looseObject({
  providers: z.array(z.looseObject({ id: z.string(), models: z.record(z.string(), z.unknown()) })),
})
const agentsSchema = z.array(z.looseObject({ name: z.string(), mode: z.string(), hidden: z.boolean().nullish() }))

export type AgentMessage = z.infer<typeof messageSchema>
export type AgentError = NonNullable<AgentMessage['info']['error']>

export type Prompt = {
  messageID: string
  parts: ({ id: string; type: 'text'; text: string } | FilePart)[]
  model: { providerID: string; modelID: string }
  agent: string
  system?: string | undefined
  variant?: string | undefined
  /** Kilo's alone. */
  editorContext?: EditorContext | undefined
}

export type CommandBody = {
  messageID: string
  command: string
  arguments: string
  /** `<provider>/<model>` */
  model: string
  agent: string
  variant?: string | undefined
}

export type AgentApi = ReturnType<typeof createAgentApi>

export function createAgentApi({ origin, username, password }: { origin: string } & ServeAccess) {
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const headers = { authorization, 'content-type': 'application/json' }

  async function call(
    method: string,
    path: string,
    options: { body?: unknown; timeoutMs?: number; signal?: AbortSignal } = {},
  ) {
    const bound = AbortSignal.timeout(options.timeoutMs ?? boundMs)
    const response = await fetch(origin + path, {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal ? AbortSignal.any([options.signal, bound]) : bound,
    })
    const text = await response.text()
    if (!response.ok) throw new AgentRefused(method, path, response.status)
    return text
  }
  const read = async <S extends z.ZodType>(schema: S, path: string, timeoutMs?: number): Promise<z.infer<S>> =>
    schema.parse(JSON.parse(toOurIds(await call('GET', path, { timeoutMs }))))

  return {
    async healthy(timeoutMs: number): Promise<boolean> {
      try {
        await call('GET', '/global/health', { timeoutMs })
        return true
      } catch (error) {
        // Not there yet, too busy, or refusing: for the one who asks it is all the same.
        if (error instanceof AgentRefused || error instanceof Error) return false
        throw error
      }
    },
    /** Answers with the session that is there already, if it is. */
    openSession: (id: string) => call('POST', '/api/session', { body: { id }, timeoutMs: firstCallMs }),
    /** A title of ours keeps the agent from asking a model for one. */
    setTitle: (id: string, title: string) => call('PATCH', `/session/${id}`, { body: { title } }),
    agents: () => read(agentsSchema, '/agent', firstCallMs),
    /** `<provider>/<model>` of every model that the agent may use. */
    async models(): Promise<string[]> {
      const { providers } = await read(providersSchema, '/config/providers', firstCallMs)
      return providers.flatMap(({ id, models }) => Object.keys(models).map((model) => `${id}/${model}`))
    },
    commands: () => read(z.array(commandSchema), '/command', firstCallMs),
    /** Answers with the end of the turn, however long that takes: by a request that no client's limit ends. */
    command(id: string, body: CommandBody, signal: AbortSignal): Promise<void> {
      const path = `/session/${id}/command`
      return new Promise((resolve, reject) => {
        const request = httpRequest(origin + path, { method: 'POST', headers, signal }, (response) => {
          response.resume()
          response.on('error', reject)
          response.on('end', () => {
            const status = response.statusCode ?? 0
            if (status >= 200 && status < 300) resolve()
            else reject(new AgentRefused('POST', path, status))
          })
        })
        request.on('error', reject)
        request.end(JSON.stringify(body))
      })
    },
    prompt: (id: string, prompt: Prompt) => call('POST', `/session/${id}/prompt_async`, { body: prompt }),
    /** Answers with the end of the turn. */
    ask: (id: string, prompt: Omit<Prompt, 'messageID' | 'parts'> & { parts: object[] }, signal: AbortSignal) =>
      call('POST', `/session/${id}/message`, { body: prompt, timeoutMs: firstCallMs, signal }),
    deleteSession: (id: string) => call('DELETE', `/session/${id}`),
    abort: (id: string, timeoutMs: number) => call('POST', `/session/${id}/abort`, { timeoutMs }),
    /** Sessions that are not idle. */
    statuses: () => read(statusesSchema, '/session/status'),
    children: (id: string) => read(z.array(sessionSchema), `/session/${id}/children`),
    messages: (id: string, limit?: number) =>
      read(messagesSchema, `/session/${id}/message${limit === undefined ? '' : `?limit=${limit}`}`),
    /** Behind the rules that it has already. */
    addRules: (id: string, permission: AgentRule[]) => call('PATCH', `/session/${id}`, { body: { permission } }),
    /** With everything merged: ours, the repository's, that of the home. */
    config: () => read(mergedConfigSchema, '/config', firstCallMs),
    /** Those that wait, of all sessions of this agent. */
    permissions: () => read(z.array(permissionRequestSchema), '/permission'),
    questions: () => read(z.array(questionRequestSchema), '/question'),
    replyPermission: (id: string, body: { reply: 'once' | 'always' | 'reject'; message?: string | undefined }) =>
      call('POST', `/permission/${encodeURIComponent(id)}/reply`, { body }),
    answerQuestion: (id: string, answers: string[][]) =>
      call('POST', `/question/${encodeURIComponent(id)}/reply`, { body: { answers } }),
    dismissSuggestion: (id: string) => call('POST', `/suggestion/${encodeURIComponent(id)}/dismiss`),
    rejectQuestion: (id: string) => call('POST', `/question/${encodeURIComponent(id)}/reject`),
    /** The agent's id of our message, if an earlier attempt has handed it over. */
    async knownMessage(id: string, messageId: string): Promise<string | undefined> {
      return knownAgentMessageId(await call('GET', `/session/${id}/message?limit=20`), messageId)
    },
    /** By the agent's own id of it, among the newest. */
    async hasMessage(id: string, agentsId: string): Promise<boolean> {
      const newest = await call('GET', `/session/${id}/message?limit=5`)
      return newest.includes(agentsId)
    },
    /** The feed of events, from now on. Ends with the connection. */
    async events(signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
      const response = await fetch(`${origin}/event`, { headers, signal })
      if (!response.ok || !response.body) throw new AgentRefused('GET', '/event', response.status)
      return response.body
    },
  }
}

/** The answer's text stays out: it may quote anything. */
export class AgentRefused extends Error {
  readonly status: number
  constructor(method: string, path: string, status: number) {
    super(`The agent answered ${status} to ${method} ${path.replace(/\?.*/, '')}.`)
    this.name = 'AgentRefused'
    this.status = status
  }
}
