/**
 * One session and many viewers: how many events a second reach them all together, from the log to their sockets.
 * Beside it a bare broadcast of the same text by `ws`, with no log behind it. The viewers are a process of their own.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { type ServedStream, serveStream } from '../packages/server/src/faces/cloud-agent/testStream.ts'
import { addUser, identityOn } from '../packages/server/src/identity/testIdentity.ts'
import { openLog } from '../packages/server/src/testing/log.ts'
import { type Benchmark, byTurns, perSecond, type Row, type Target } from './benchmark.ts'
import { startChild } from './child.ts'
import type { FromViewers, ToViewers } from './viewers.ts'

const deliveries = 100_000
const content = 'a line of output, as agents write them by the thousand'

export const fanOut: Benchmark = {
  name: 'fan-out',
  async run({ openDatabase }) {
    const { database } = await openLog((await openDatabase()).pool)
    const identity = identityOn(database)
    await addUser(database.pool, 'user-1')
    await using face = await serveStream({ database, identity, userId: 'user-1' })
    const rows: Row[] = []
    for (const viewers of [1, 100, 1_000, 5_000]) {
      const target = viewers === 1_000 ? atLeast(0.6) : undefined
      rows.push(await measure(face, { viewers, batch: false, target }))
    }
    rows.push(await measure(face, { viewers: 1_000, batch: true, target: atLeast(1) }))
    return rows
  },
}

const atLeast = (ratio: number): Target => ({ of: 'ratio', atLeast: ratio })

async function measure(
  face: ServedStream,
  options: { viewers: number; batch: boolean; target: Target | undefined },
): Promise<Row> {
  const { viewers, batch, target } = options
  const session = await face.addSession()
  const events = deliveries / viewers
  const commit = Math.min(events, 100)
  const urls: string[] = []
  for (let i = 0; i < viewers; i++) {
    const query = { cloudAgentSessionId: session, replay: 'false', batch: String(batch) }
    urls.push(`${face.url}/stream?${new URLSearchParams({ ...query, ticket: await face.ticket(session) })}`)
  }
  await using ours = await startViewers(urls)
  await using bare = await startBroadcast(viewers)
  const figures = await byTurns({
    stream: () =>
      perSecond(events * viewers, async () => {
        for (let i = 0; i < events; i += commit)
          await face.append(
            session,
            Array.from({ length: commit }, () => content),
          )
        await ours.received(events * viewers)
      }),
    broadcast: () =>
      perSecond(events * viewers, async () => {
        for (let i = 0; i < events; i++) {
          bare.broadcast()
          // As the log's commits do: the event loop turns now and then.
          if (i % commit === 0) await new Promise((resolve) => setImmediate(resolve))
        }
        await bare.received(events * viewers)
      }),
  })
  return {
    what: `fan-out, viewers: ${viewers.toLocaleString('en-US')}${batch ? ', batch=true' : ''}`,
    unit: 'events/s',
    figures: figures.stream,
    reference: { what: 'bare broadcast by ws', figures: figures.broadcast },
    ...(target && { target }),
  }
}

type Viewers = AsyncDisposable & { received(count: number): Promise<void> }

async function startViewers(urls: string[]): Promise<Viewers> {
  const child = startChild<ToViewers, FromViewers>('./viewers.ts')
  await child.ask({ dial: urls })
  return {
    async received(count) {
      await child.ask({ expect: count })
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  }
}

async function startBroadcast(viewers: number): Promise<Viewers & { broadcast(): void }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const listening = await startViewers(Array.from({ length: viewers }, () => `ws://127.0.0.1:${port}`))
  const text = JSON.stringify({
    eventId: 1,
    streamEventType: 'output',
    data: { content, source: 'stdout' },
    timestamp: new Date(),
  })
  return {
    received: listening.received,
    broadcast() {
      for (const socket of server.clients) socket.send(text)
    },
    async [Symbol.asyncDispose]() {
      await listening[Symbol.asyncDispose]()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
