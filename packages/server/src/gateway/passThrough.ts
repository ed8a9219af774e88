/**
 * How bytes and headers cross the gateway. Bytes go on as they come and with back-pressure; a stream that breaks is
 * reset and never ended cleanly, so the client cannot take a part for the whole.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { fallbackHeader } from '@corral/protocol'

export type Headers = Record<string, string | string[] | undefined>

/** RFC 9110, 7.6.1, and what belongs to one connection or is made anew for the next. */
const hopHeaders = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
  // Ours: nobody else says it.
  fallbackHeader,
]

/** All headers but those of the hop, those that `Connection` names, and `others` (lower case). */
export function headersOnward(headers: Headers, others: readonly string[]): Headers {
  const named = String(headers.connection ?? '')
    .toLowerCase()
    .split(/[\s,]+/)
  const dropped = new Set([...hopHeaders, ...named, ...others])
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !dropped.has(name)))
}

/** Those headers, and no other. */
export function pick(headers: Headers, names: readonly string[]): Headers {
  return Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])))
}

export type Relayed = { bytes: number } & (
  | { ending: 'complete' | 'client_gone' }
  | { ending: 'broken' /** What broke, for the log. */; error: string }
)

/** Streams `body` as the answer whose head has been written. Never throws; an answer that broke is destroyed. */
export async function relay(
  body: AsyncIterable<Buffer>,
  response: ServerResponse,
  { signal, look = () => {} }: { signal: AbortSignal; look?: (chunk: Buffer) => void },
): Promise<Relayed> {
  let bytes = 0
  async function* counted(chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      bytes += chunk.length
      look(chunk)
      yield chunk
    }
  }
  try {
    await pipeline(body, counted, response)
    return { ending: 'complete', bytes }
  } catch (error) {
    response.destroy()
    return signal.aborted ? { ending: 'client_gone', bytes } : { ending: 'broken', bytes, error: String(error) }
  }
}

/** Aborts when the client goes away before it has its whole answer. */
export function clientSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  return gone.signal
}

/** The whole body, or null when it is longer than `maxBytes`. Read to its end in any case, so that it can be answered. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += chunk.length
    if (bytes > maxBytes) chunks.length = 0
    else chunks.push(chunk)
  }
  return bytes > maxBytes ? null : Buffer.concat(chunks)
}
