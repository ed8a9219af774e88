/** For tests: whoever wants to know how executions end. Verifies what comes as its own program would, and remembers it. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'

/** A status; or no answer, a connection that breaks before or after the status line, or another address. */
export type Answer = number | 'hang' | 'reset' | 'half' | { location: string }

export type Received = { at: number; path: string; headers: IncomingHttpHeaders; body: string }

export type Receiver = AsyncDisposable & {
  url: string
  /** `host:port`. */
  host: string
  received: Received[]
  /** How the next ones are answered, in order; the last counts for all that follow. */
  answer(...answers: Answer[]): void
  /** From now on done with each that comes, before it is answered; 500 when it fails. */
  first(work: (received: Received) => Promise<void>): void
  connections(): number
}

export async function testReceiver(): Promise<Receiver> {
  const received: Received[] = []
  let answers: Answer[] = [200]
  let connections = 0
  let work: (received: Received) => Promise<void> = async () => {}
  const server = createServer((request, response) => {
    void text(request).then(
      (body) => {
        const one = { at: Date.now(), path: request.url ?? '', headers: request.headers, body }
        received.push(one)
        const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? 200
        void work(one).then(
          () => give(response, answer),
          () => give(response, 500),
        )
      },
      () => response.destroy(),
    )
  })
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${host}`,
    host,
    received,
    answer(...next) {
      answers = next
    },
    first(next) {
      work = next
    },
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function give(response: ServerResponse, answer: Answer): void {
  if (answer === 'hang') return
  if (answer === 'reset') response.socket?.resetAndDestroy()
  else if (answer === 'half') response.writeHead(200, { 'content-length': 1_000 }).write('{', () => response.destroy())
  else if (typeof answer === 'object') response.writeHead(302, answer).end()
  else response.writeHead(answer).end('{"ok":true}')
}

const said = z.looseObject({ idempotencyKey: z.string() })

/** What a delivery says; throws when it is not signed with this key. */
export function verified({ body, headers }: Received, secret: string): z.output<typeof said> {
  return said.parse(new Webhook(secret).verify(body, headers as Record<string, string>))
}

const toleranceMs = 5 * 60_000

/** The same for one that came a while ago: the library's own check knows the present alone. */
export function verifiedAsItCame({ at, body, headers }: Received, secret: string): z.output<typeof said> {
  const id = String(headers['webhook-id'])
  const sentAt = new Date(Number(headers['webhook-timestamp']) * 1_000)
  if (!(Math.abs(at - sentAt.getTime()) <= toleranceMs)) throw new Error(`${id} was not sent when it came`)
  const signatures = String(headers['webhook-signature']).split(' ')
  if (!signatures.includes(new Webhook(secret).sign(id, sentAt, body))) throw new Error(`${id} is not signed by us`)
  return said.parse(JSON.parse(body))
}
