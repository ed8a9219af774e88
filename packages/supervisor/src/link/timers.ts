/** The link's times. Defaults are 10-engine's; tests shorten them. */
import { heartbeatMs } from '@corral/protocol'

export type LinkTimers = {
  heartbeatMs: number
  /** Dialling, up to the end of the WebSocket's handshake. */
  connectMs: number
  /** From hello to welcome. */
  helloMs: number
  /** Without a frame or a pong from the server for this long, the connection is given up. */
  silenceMs: number
  reconnectMinMs: number
  reconnectMaxMs: number
}

export const linkTimers: LinkTimers = {
  heartbeatMs,
  connectMs: 5_000,
  helloMs: 15_000,
  silenceMs: 45_000,
  reconnectMinMs: 250,
  reconnectMaxMs: 8_000,
}
