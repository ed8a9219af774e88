/**
 * The scripted model: aimock answers on a port of its own and asks here what to say; in front stands the relay, with
 * the control routes beside it. No request waits longer than `maxHoldMs`, whatever its scenario says.
 */
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { type ChatCompletionRequest, type FixtureResponse, LLMock } from '@copilotkit/aimock'
import { createControl } from './control.ts'
import type { Wire } from './controlSchema.ts'
import { readConversation } from './conversation.ts'
import { createGates } from './gates.ts'
import { relay } from './relay.ts'
import { createRequests } from './requests.ts'
import { selectScript } from './script.ts'
import { ScenarioError } from './tokens.ts'
import { composeTurn, refuseTurn, type Turn } from './turn.ts'

export type ScriptedModel = { url: string; port: number; close: () => Promise<void> }

const maxHoldMs = 30 * 60_000
const models = ['scripted/demo', 'demo']

const wires: Record<string, Wire> = {
  '/v1/chat/completions': 'chat',
  '/v1/responses': 'responses',
  '/v1/messages': 'messages',
}

export const startScriptedModel = async ({ port = 0, host = '127.0.0.1' } = {}): Promise<ScriptedModel> => {
  const gates = createGates()
  const requests = createRequests()
  const control = createControl({ gates, requests })
  /** What the relay and aimock's question for an answer have to know of each other, by the request's id. */
  const calls = new Map<string, { wire: Wire; authorization: string | null; turn?: Turn }>()

  const answerOf = (request: ChatCompletionRequest): FixtureResponse => {
    const id = request._context ?? ''
    const call = calls.get(id)
    if (!call) throw new Error('The scripted model was asked past its proxy; use the address that it printed.')
    const conversation = readConversation(request)
    const script = selectScript(conversation)
    const streamed = request.stream === true
    const fingerprint = fingerprintOf(call.authorization, request)
    const failedAttempts = requests.failedAttempts(fingerprint)
    requests.add(
      {
        id,
        at: new Date().toISOString(),
        wire: call.wire,
        streamed,
        authorization: call.authorization,
        model: conversation.model,
        scenario: script.scenario,
        messages: conversation.messageCount,
        files: conversation.fileCount,
        lastUserText: conversation.lastUserText.slice(0, 4_000),
        toolResults: conversation.toolResults.length,
        tools: conversation.tools.map(({ name }) => name),
        outcome: 'open',
      },
      fingerprint,
    )
    if (script.scenario === 'invalid') call.turn = refuseTurn(script.error)
    else call.turn = playable(() => composeTurn({ steps: script.steps, conversation, streamed, failedAttempts }))
    return call.turn.response
  }

  const aimock = new LLMock({ host: '127.0.0.1', port: 0, chunkSize: Number.MAX_SAFE_INTEGER, journalMaxEntries: 1 })
  aimock.addFixture({ match: {}, response: answerOf })
  await aimock.start()

  const play = async (incoming: IncomingMessage, client: ServerResponse, url: URL, wire: Wire): Promise<void> => {
    const id = randomUUID()
    const left = new AbortController()
    const signal = AbortSignal.any([left.signal, AbortSignal.timeout(maxHoldMs)])
    client.on('close', () => left.abort())
    const call = { wire, authorization: authorizationOf(incoming) }
    calls.set(id, call)
    try {
      const upstream = await fetch(`${aimock.url}${url.pathname}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-aimock-context': id },
        body: new Uint8Array(await buffer(incoming)),
        signal,
      })
      const turn = calls.get(id)?.turn ?? { opening: [], holds: [], response: { content: '' } }
      requests.settle(id, await relay({ upstream, turn, wire, client, gates, signal }))
    } catch (error) {
      if (!signal.aborted) throw error
      client.destroy()
      requests.settle(id, 'aborted')
    } finally {
      calls.delete(id)
    }
  }

  const handle = async (incoming: IncomingMessage, client: ServerResponse): Promise<void> => {
    const method = incoming.method ?? 'GET'
    const url = new URL(incoming.url ?? '/', 'http://scripted-model')
    const wire = wires[url.pathname]
    if (url.pathname.startsWith('/__corral/')) {
      const { status, body } = await control(method, url)
      sendJson(client, status, body)
    } else if (method === 'POST' && wire) await play(incoming, client, url, wire)
    else if (method === 'GET' && url.pathname === '/v1/models') sendJson(client, 200, modelList())
    else if (method === 'POST' && url.pathname === '/v1/messages/count_tokens')
      sendJson(client, 200, { input_tokens: Math.ceil((await buffer(incoming)).length / 4) })
    else
      sendJson(client, 404, {
        error: { message: `The scripted model has no ${method} ${url.pathname}.`, type: 'not_found_error' },
      })
  }

  const server = createServer((incoming, client) => {
    handle(incoming, client).catch((error: unknown) => {
      console.error('A request to the scripted model failed:', error)
      if (client.headersSent) client.destroy()
      else
        sendJson(client, 500, {
          error: { message: 'The scripted model has a fault; see its output.', type: 'api_error' },
        })
    })
  })
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The scripted model has no port to listen on.')

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    port: address.port,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      await aimock.stop()
    },
  }
}

/** A scenario that asks for what this agent does not have is refused as one that cannot be read. */
const playable = (compose: () => Turn): Turn => {
  try {
    return compose()
  } catch (error) {
    if (error instanceof ScenarioError) return refuseTurn(error.message)
    throw error
  }
}

const fingerprintOf = (authorization: string | null, { messages }: ChatCompletionRequest): string =>
  createHash('sha256')
    .update(`${authorization}\n${JSON.stringify(messages)}`)
    .digest('base64')

const authorizationOf = ({ headers }: IncomingMessage): string | null => {
  const key = headers['x-api-key']
  return headers.authorization ?? (typeof key === 'string' ? key : null)
}

const modelList = () => ({
  object: 'list',
  data: models.map((id) => ({ id, object: 'model', type: 'model', display_name: id, created: 0, owned_by: 'corral' })),
  has_more: false,
})

const sendJson = (client: ServerResponse, status: number, body: object): void => {
  client.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
