/**
 * One call of a model's server: the request goes out with the real key, and the answer comes back as it is.
 * Invariants: what the sandbox sends as its key goes nowhere; no key or account of ours is in an answer; when the client
 * goes away, the upstream's work is canceled.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Dispatcher, request as send } from 'undici'
import { refuseModelCall } from './answers.ts'
import { headersOnward, relay } from './passThrough.ts'
import type { Upstream, Wire } from './upstreams.ts'
import { createUsageMeter, type Usage } from './usage.ts'

export type UpstreamResult = {
  /** The upstream's; null when it gave none. */
  status: number | null
  /** `passed_over`: nothing was answered, since another model can be tried. */
  ending: 'complete' | 'client_gone' | 'broken' | 'unreachable' | 'passed_over'
  bytes: number
  /** It came as events. */
  streamed: boolean
  usage: Usage
  error?: string
}

/** An answer that is an error is read whole before any of it is passed on. */
const maxErrorBytes = 256 * 1024

/** What would choose the account that pays, and encodings that could not be looked into for usage. */
const keptFromUpstream = [
  ...['authorization', 'x-api-key', 'cookie', 'content-length', 'accept-encoding'],
  ...['openai-organization', 'openai-project'],
]
const keptFromClient = ['set-cookie', 'openai-organization', 'openai-project', 'anthropic-organization-id']

const noUsage: Usage = { promptTokens: null, completionTokens: null, cachedTokens: null }

export async function callUpstream(call: {
  dispatcher: Dispatcher
  upstream: Upstream
  url: string
  wire: Wire
  body: Buffer
  request: IncomingMessage
  response: ServerResponse
  signal: AbortSignal
  /** Another model is tried when this one cannot be had. */
  isLast: boolean
  /** Headers of our own for the answer. */
  more: Record<string, string>
}): Promise<UpstreamResult> {
  const { dispatcher, upstream, wire, response, signal, isLast, more } = call
  const none = { status: null, bytes: 0, streamed: false, usage: noUsage }
  let answer: Dispatcher.ResponseData
  try {
    answer = await send(call.url, {
      method: 'POST',
      headers: {
        ...headersOnward(call.request.headers, keptFromUpstream),
        ...keyHeader(upstream),
        'accept-encoding': 'identity',
      },
      body: call.body,
      dispatcher,
      signal,
    })
  } catch (error) {
    if (signal.aborted) return { ...none, ending: 'client_gone' }
    if (!isLast) return { ...none, ending: 'passed_over', error: String(error) }
    const late = error instanceof Error && error.name.includes('Timeout')
    const what = late ? 'did not answer in time' : 'could not be reached'
    refuseModelCall(response, wire, late ? 504 : 502, `the model server "${upstream.name}" ${what}; try again.`)
    return { ...none, ending: 'unreachable', error: String(error) }
  }

  const { statusCode: status } = answer
  if (!isLast && (status === 429 || status >= 500)) {
    await answer.body.dump()
    return { ...none, status, ending: 'passed_over' }
  }
  const headers = { ...headersOnward(answer.headers, keptFromClient), ...more }
  if (status < 300) {
    response.writeHead(status, headers).flushHeaders()
    const contentType = answer.headers['content-type']?.toString()
    const meter = createUsageMeter(contentType)
    const streamed = contentType?.startsWith('text/event-stream') ?? false
    const relayed = await relay(answer.body, response, { signal, look: meter.look })
    return { status, streamed, usage: meter.usage(), ...relayed }
  }

  const text = await readError(answer.body)
  if (status === 401 || status === 403) {
    // It may quote the key; and to the agent it would look as if its own were wrong.
    refuseModelCall(response, wire, 502, `"${upstream.name}" refused the key or account that is configured for it.`)
  } else if (status < 400 || text === null || (upstream.apiKey !== null && text.includes(upstream.apiKey))) {
    refuseModelCall(response, wire, 502, `"${upstream.name}" gave an answer (${status}) that is not passed on.`)
  } else {
    response.writeHead(status, { ...headers, 'content-length': text.length }).end(text)
  }
  return { status, ending: 'complete', bytes: text?.length ?? 0, streamed: false, usage: noUsage }
}

function keyHeader({ apiKey, keyHeader: name }: Upstream): Record<string, string> {
  if (apiKey === null) return {}
  return name === 'authorization' ? { authorization: `Bearer ${apiKey}` } : { 'x-api-key': apiKey }
}

/** Null when it is too long or breaks off. */
async function readError(body: Dispatcher.ResponseData['body']): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > maxErrorBytes) return null
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch {
    return null
  }
}
