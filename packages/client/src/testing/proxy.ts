/** For tests: a network between a client and a server that can be cut, frozen, and shut. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export type BadNetwork = AsyncDisposable & {
  url: string
  /** Of `/stream`: how many were opened so far, and how many are open. */
  streams(): { opened: number; open: number }
  /** Bytes that went to clients so far. */
  bytesDown(): number
  /** Ends every connection, without a goodbye; what is frozen does not hear of it. */
  cut(): void
  /** Each of the next connections is cut when it has carried so many bytes to the client. */
  cutAfter(bytes: number[]): void
  /** The streams that are there carry nothing any more, and do not end. */
  freezeStreams(): void
  /** New connections are refused until `open`. */
  shut(): void
  open(): Promise<void>
}

type Pair = { client: Socket; server: Socket; kind: 'stream' | 'frozen' | 'other' }

/** `silenceMs`: a connection over which nothing goes for so long is cut, as what stands before servers often does. */
export async function startProxy(targetUrl: string, options: { silenceMs?: number } = {}): Promise<BadNetwork> {
  const target = Number(new URL(targetUrl).port)
  const pairs = new Set<Pair>()
  let cuts: number[] = []
  let opened = 0
  let bytesDown = 0

  const listener = createServer((client) => {
    const pair: Pair = { client, server: connect(target, '127.0.0.1'), kind: 'other' }
    const { server } = pair
    pairs.add(pair)
    let left = cuts.shift() ?? Number.POSITIVE_INFINITY
    const forget = () => {
      pairs.delete(pair)
      end(pair)
    }
    for (const socket of [client, server]) {
      socket.on('error', forget)
      socket.on('close', forget)
    }
    if (options.silenceMs !== undefined) client.setTimeout(options.silenceMs, forget)
    client.on('data', (data) => {
      if (data.toString('latin1', 0, 20).startsWith('GET /stream')) {
        pair.kind = 'stream'
        opened += 1
      }
      server.write(data)
    })
    server.on('data', (data: Buffer) => {
      const part = data.subarray(0, left)
      left -= data.length
      bytesDown += part.length
      if (left <= 0) forget()
      else if (!client.write(part)) {
        server.pause()
        client.once('drain', () => server.resume())
      }
    })
  })

  function end({ client, server }: Pair): void {
    client.resetAndDestroy()
    server.destroy()
  }
  const ofKind = (kind: Pair['kind']) => [...pairs].filter((pair) => pair.kind === kind)
  async function listen(port: number): Promise<number> {
    listener.listen(port, '127.0.0.1')
    await once(listener, 'listening')
    const address = listener.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
    return address.port
  }
  const port = await listen(0)

  return {
    url: `http://127.0.0.1:${port}`,
    streams: () => ({ opened, open: ofKind('stream').length }),
    bytesDown: () => bytesDown,
    cut: () => [...ofKind('stream'), ...ofKind('other')].forEach(end),
    cutAfter: (bytes) => {
      cuts = bytes
    },
    freezeStreams() {
      for (const pair of ofKind('stream')) {
        pair.kind = 'frozen'
        pair.client.removeAllListeners('data').pause()
        pair.server.removeAllListeners('data').pause()
      }
    },
    shut: () => void listener.close(),
    open: async () => void (await listen(port)),
    async [Symbol.asyncDispose]() {
      listener.close()
      for (const pair of pairs) end(pair)
    },
  }
}
