/**
 * `/mcp/<name>`: the session's remote MCP servers, as its agent reaches them. The address and the headers of the session's
 * configuration are put in here, so no secret of theirs is in the sandbox; streams pass through.
 * Invariants: only servers of the caller's own session, only addresses that the outbound policy allows; no redirect is
 * followed; an answer that quotes a secret header in an error is not passed on.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { type Dispatcher, request as send } from 'undici'
import { isTargetRefused } from '../outbound/agent.ts'
import type { OutboundPolicy } from '../outbound/policy.ts'
import { answerJson } from './answers.ts'
import type { CallFace } from './callServer.ts'
import type { Grants } from './grants.ts'
import { createEndpointRewriter } from './mcpEndpoint.ts'
import { decideMcpTarget, doorPath, isMcpPath, type McpCall, type McpTarget, readMcpCall } from './mcpTarget.ts'
import { clientSignal, headersOnward, type Relayed, readBody, relay } from './passThrough.ts'
import { Refusal } from './refusal.ts'
import type { OpenSessionMcp } from './sessionMcp.ts'

const methods = ['GET', 'POST', 'DELETE'] as const
type Method = (typeof methods)[number]
type Passed = Extract<McpTarget, { kind: 'passed' }>

const maxBodyMiB = 16
const maxErrorBytes = 256 * 1024

/** What is the sandbox's own, and encodings that could not be looked into. */
const keptFromServer = ['authorization', 'cookie', 'content-length', 'accept-encoding']
const keptFromClient = ['set-cookie', 'www-authenticate']

type Entry = { allowed: boolean; status: number; sentence?: string; error?: string } & Partial<Relayed>

export function createMcp(deps: {
  grants: Grants
  open: OpenSessionMcp
  policy: OutboundPolicy
  /** Connects to what the policy allows, and to nothing else. */
  dispatcher: Dispatcher
  /** Another gateway has taken over: streams that only listen end, and their clients come again. */
  draining: AbortSignal
  log: Pick<Logger, 'info'>
}): CallFace {
  const { grants, open, policy, dispatcher, draining, log } = deps

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = performance.now()
    const signal = clientSignal(response)
    const [path = ''] = (request.url ?? '').split('?', 1)
    const call = readMcpCall(path)
    const granted = await grants.of(request.headers, signal)
    const entry = await pass().catch((error: unknown): Entry => {
      if (!(error instanceof Refusal)) throw error
      const { status, message: sentence, cause } = error
      answerJson(response, status, { error: { message: `corral: ${sentence}` } })
      return { allowed: false, status, sentence, ...(cause !== undefined && { error: String(cause) }) }
    })
    const grant = granted.kind === 'granted' ? granted.grant : null
    const who = { sessionId: grant?.sessionId, userId: grant?.userId, method: request.method, server: call?.server }
    log.info({ ...who, ...entry, ms: Math.round(performance.now() - began) }, 'mcp call')

    async function pass(): Promise<Entry> {
      const body = await readBody(request, maxBodyMiB * 1024 * 1024)
      if (granted.kind === 'refused') throw new Refusal(granted.status, granted.sentence)
      if (!call) throw new Refusal(404, 'a path here is /mcp/ and the name of an MCP server.')
      const method = methods.find((known) => known === request.method)
      if (!method) throw new Refusal(405, `an MCP server is called by ${methods.join(', ')}.`)
      if (body === null) throw new Refusal(413, `the request is larger than ${maxBodyMiB} MiB.`)
      const target = decideMcpTarget(call, await open(granted.grant, call.server), policy)
      if (target.kind === 'refused') throw new Refusal(target.status, target.sentence)
      // Agents try the other transport first, and take this for a no; some servers would never answer.
      if (target.server.type === 'sse' && (call.place === null) !== (method === 'GET')) {
        throw new Refusal(
          405,
          'this server is listened to by GET at its address, and told things at the place it names.',
        )
      }
      // A POST is somebody's work; a GET only listens.
      const until = method === 'GET' ? AbortSignal.any([signal, draining]) : signal
      // Whoever waits for a tool may wait longer than a model may be silent.
      request.socket.setTimeout(0)
      const answered = await ask(target, call, { method, body, request, signal: until })
      return { allowed: true, ...(await relayAnswer(answered, target, call, response, until)) }
    }
  }

  async function ask(
    { url, headers, server }: Passed,
    { server: name }: McpCall,
    what: { method: Method; body: Buffer; request: IncomingMessage; signal: AbortSignal },
  ): Promise<Dispatcher.ResponseData> {
    const { method, body, request, signal } = what
    try {
      return await send(url, {
        method,
        headers: { ...headersOnward(request.headers, keptFromServer), ...headers, 'accept-encoding': 'identity' },
        body: method === 'POST' ? body : null,
        dispatcher,
        headersTimeout: server.timeout * 1000,
        // A stream that only listens may be silent for ever.
        bodyTimeout: 0,
        signal,
      })
    } catch (error) {
      if (isTargetRefused(error)) throw new Refusal(403, `the MCP server "${name}" may not be reached from here.`)
      const late = error instanceof Error && error.name.includes('Timeout')
      const what = late ? 'did not answer in time' : 'could not be reached'
      throw new Refusal(late ? 504 : 502, `the MCP server "${name}" ${what}; try again.`, error)
    }
  }

  async function relayAnswer(
    answered: Dispatcher.ResponseData,
    { url, headers, server }: Passed,
    call: McpCall,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<Omit<Entry, 'allowed'>> {
    const { statusCode: status, body } = answered
    const onward = headersOnward(answered.headers, keptFromClient)
    if (status >= 400) {
      const text = await readError(body)
      if (status === 401) throw new Refusal(502, `the MCP server "${call.server}" refused what is configured for it.`)
      if (text === null || Object.values(headers).some((value) => text.includes(value))) {
        throw new Refusal(502, `an error of the MCP server "${call.server}" is not passed on.`)
      }
      response.writeHead(status, { ...onward, 'content-length': text.length }).end(text)
      return { status, bytes: text.length }
    }
    if (status >= 300) {
      await body.dump()
      throw new Refusal(502, `the MCP server "${call.server}" redirects, which is not followed.`)
    }
    response.writeHead(status, onward).flushHeaders()
    const listens = server.type === 'sse' && call.place === null
    const shown = listens ? createEndpointRewriter((endpoint) => placeAtDoor(endpoint, url, call))(body) : body
    return { status, ...(await relay(shown, response, { signal })) }
  }

  return { kind: 'mcp', serves: isMcpPath, answer }
}

/** The server may name a place by its path or in full; one of another host cannot be called through the door. */
function placeAtDoor(endpoint: string, url: URL, call: McpCall): string | null {
  if (!URL.canParse(endpoint, url)) return null
  const place = new URL(endpoint, url)
  return place.origin === url.origin ? doorPath(call.server, place.pathname + place.search) : null
}

async function readError(body: Dispatcher.ResponseData['body']): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxErrorBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
