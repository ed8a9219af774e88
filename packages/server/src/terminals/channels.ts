/**
 * The connections by which supervisors bring the bytes of terminals. Each is expected under a name of its own, for a few
 * seconds, from one life of one sandbox; whoever comes under another name, from another life, or too late is turned away.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type SandboxId, terminalChannelPath, terminalLimits } from '@corral/protocol'
import { type WebSocket, WebSocketServer } from 'ws'

export type SandboxLife = { sandboxId: SandboxId; bootId: string }

export type Channels = {
  /** Null: it did not come. Cancel what nobody waits for any more. */
  expect(life: SandboxLife): { name: string; arrived: Promise<WebSocket | null>; cancel(): void }
  /** Answers an upgrade on the door of the link; false: it is for no channel that is expected. */
  admit(life: SandboxLife, request: IncomingMessage, socket: Duplex, head: Buffer): boolean
}

export function createChannels({ patienceMs }: { patienceMs: number }): Channels {
  const expected = new Map<string, { life: SandboxLife; settle(socket: WebSocket | null): void }>()
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: terminalLimits.frameBytes,
  })

  return {
    expect(life) {
      const name = crypto.randomUUID()
      const path = terminalChannelPath(name)
      const { promise, resolve } = Promise.withResolvers<WebSocket | null>()
      const timer = setTimeout(() => settle(null), patienceMs)
      function settle(socket: WebSocket | null): void {
        clearTimeout(timer)
        expected.delete(path)
        resolve(socket)
      }
      expected.set(path, { life, settle })
      return { name, arrived: promise, cancel: () => settle(null) }
    },

    admit(life, request, socket, head) {
      const one = expected.get(request.url ?? '')
      if (one?.life.sandboxId !== life.sandboxId || one.life.bootId !== life.bootId) return false
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        // What comes at once waits until somebody listens.
        webSocket.pause()
        webSocket.on('error', () => undefined) // `close` follows
        one.settle(webSocket)
      })
      return true
    },
  }
}
