/** For tests: a network between a client and a server that can be cut, frozen, and shut. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export type BadNetwork = AsyncDisposable & {
  url: string
  /** Of `/stream`: how many were opened so far, and how many are open. */
  streams(): { opened: number; open: number }
  /** Bytes that went to clients so far. */
  bytesDown(): number
  /** Ends every connection, without a goodbye. */
  cut(): void
  /** Each of the next connections is cut when it has carried so many bytes to the client. */
  cutAfter(bytes: number[]): void
  /** Connections that are there carry nothing any more, and do not end. */
  freeze(): void
  /** New connections are refused, and those that are there cut. */
  shut(): Promise<void>
  open(): Promise<void>
}

export async function startProxy(targetUrl: string): Promise<BadNetwork> {
  const target = Number(new URL(targetUrl).port)
  const pairs = new Set<{ client: Socket; server: Socket; isStream: boolean }>()
  let cuts: number[] = []
  let opened = 0
  let bytesDown = 0

  const listener = createServer((client) => {
    const pair = { client, server: connect(target, '127.0.0.1'), isStream: false }
    const { server } = pair
    pairs.add(pair)
    let left = cuts.shift() ?? Number.POSITIVE_INFINITY
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      socket.on('error', end)
      socket.on('close', end)
    }
    client.on('data', (data) => {
      if (data.toString('latin1', 0, 20).startsWith('GET /stream')) {
        pair.isStream = true
        opened += 1
      }
      server.write(data)
    })
    server.on('data', (data: Buffer) => {
      const part = data.subarray(0, left)
      left -= data.length
      bytesDown += part.length
      if (left <= 0) {
        client.resetAndDestroy()
        end()
      } else if (!client.write(part)) {
        server.pause()
        client.once('drain', () => server.resume())
      }
    })
  })

  const cut = () => {
    for (const { client, server } of pairs) {
      client.resetAndDestroy()
      server.destroy()
    }
  }
  async function listen(port: number): Promise<number> {
    listener.listen(port, '127.0.0.1')
    await once(listener, 'listening')
    const address = listener.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
    return address.port
  }
  async function shut(): Promise<void> {
    const closed = once(listener, 'close')
    listener.close()
    cut()
    await closed
  }
  const port = await listen(0)

  return {
    url: `http://127.0.0.1:${port}`,
    streams: () => ({ opened, open: [...pairs].filter(({ isStream }) => isStream).length }),
    bytesDown: () => bytesDown,
    cut,
    cutAfter: (bytes) => {
      cuts = bytes
    },
    freeze() {
      for (const { client, server } of pairs) {
        client.removeAllListeners('data').pause()
        server.removeAllListeners('data').pause()
      }
    },
    shut,
    open: async () => void (await listen(port)),
    async [Symbol.asyncDispose]() {
      if (listener.listening) await shut()
      cut()
    },
  }
}
