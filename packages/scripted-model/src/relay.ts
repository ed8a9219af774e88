/**
 * The thin proxy: passes aimock's answer on and takes the holds where the marks stand. It is the same for every wire;
 * only the words of an error inside a stream differ. It ends with the outcome, or rejects when the client goes away.
 */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { Outcome, Wire } from './controlSchema.ts'
import type { Gates } from './gates.ts'
import { cutAtMarks, withoutMarks } from './marks.ts'
import type { Hold, Turn } from './turn.ts'

export type RelayRequest = {
  /** aimock's answer to the request, with marks in it. */
  upstream: Response
  turn: Turn
  wire: Wire
  client: ServerResponse
  gates: Gates
  /** Aborts when the client has gone away. */
  signal: AbortSignal
}

/** What ends a stream before its end. */
type Ending = Extract<Outcome, 'failed' | 'disconnected'>

const passedHeaders = /^(content-type|cache-control|retry-after|x-ratelimit-.*|x-request-id)$/

export const relay = async ({ upstream, turn, wire, client, gates, signal }: RelayRequest): Promise<Outcome> => {
  const body = await upstream.text()
  const streamed = upstream.headers.get('content-type')?.startsWith('text/event-stream') ?? false

  let flushed = Promise.resolve()
  const send = async (text: string): Promise<void> => {
    signal.throwIfAborted()
    const written = Promise.withResolvers<void>()
    flushed = written.promise
    if (!client.write(text, () => written.resolve())) await once(client, 'drain', { signal })
  }

  const take = async (hold: Hold): Promise<Ending | undefined> => {
    switch (hold.kind) {
      case 'cut':
        return
      case 'wait':
        await wait(hold.durationMs, undefined, { signal })
        return
      case 'gate':
        await gates.pass(hold.name, signal)
        return
      case 'hang':
        await gone(signal)
        return
      case 'disconnect':
        await flushed
        client.destroy()
        return 'disconnected'
      case 'fail':
        await send(errorEvents[wire](hold.message))
        return 'failed'
    }
  }
  const takeAll = async (holds: Hold[]): Promise<Ending | undefined> => {
    for (const hold of holds) {
      const ending = await take(hold)
      if (ending) return ending
    }
  }
  const writeHead = (): void => {
    for (const [name, value] of upstream.headers) if (passedHeaders.test(name)) client.setHeader(name, value)
    client.writeHead(upstream.status)
  }

  const ending = await takeAll(turn.opening)
  if (ending) return ending
  if (!streamed) {
    const early = await takeAll(turn.holds)
    if (early) return early
    writeHead()
    client.end(withoutMarks(body))
    return upstream.ok ? 'complete' : 'failed'
  }

  writeHead()
  const holds = turn.holds[Symbol.iterator]()
  for (const event of body.split('\n\n')) {
    const [head, data] = partsOf(event)
    for (const [index, piece] of cutAtMarks(data).entries()) {
      const hold = index > 0 ? holds.next().value : undefined
      const ending = hold && (await take(hold))
      if (ending === 'failed') client.end()
      if (ending) return ending
      if (piece) await send(`${head}${piece}\n\n`)
    }
  }
  client.end()
  return 'complete'
}

/** `event: …` and the word `data: ` on the one side, the JSON on the other. */
const partsOf = (event: string): [head: string, data: string] => {
  const at = event.indexOf('data: ')
  return at < 0 ? ['', event] : [event.slice(0, at + 6), event.slice(at + 6)]
}

const gone = async (signal: AbortSignal): Promise<void> => {
  signal.throwIfAborted()
  await once(signal, 'abort')
  signal.throwIfAborted()
}

const eventOf = (data: { type: string } & Record<string, unknown>): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`

const errorEvents: Record<Wire, (message: string) => string> = {
  chat: (message) =>
    `data: ${JSON.stringify({ error: { message, type: 'server_error', param: null, code: null } })}\n\n`,
  messages: (message) => eventOf({ type: 'error', error: { type: 'api_error', message } }),
  responses: (message) =>
    eventOf({ type: 'error', code: 'server_error', message, param: null }) +
    eventOf({ type: 'response.failed', response: { status: 'failed', error: { code: 'server_error', message } } }),
}
