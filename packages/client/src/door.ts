/** What one session's stream needs of the server: where its socket is, what opens it, and how far its log has come. */
import type { SessionId } from '@corral/protocol'
import { z } from 'zod'
import { type Calls, fetchJson } from './calls.ts'

export type Door = {
  /** Without the parameters of a stream. */
  socketUrl: URL
  /** Opens the socket once, within a minute. */
  ticket(signal: AbortSignal): Promise<string>
  /** The number of the newest event. */
  head(signal: AbortSignal): Promise<number>
}

const ticketSchema = z.object({ ticket: z.string() })

export function createDoor(
  server: { url: string; headers: Record<string, string>; call: Calls },
  sessionId: SessionId,
): Door {
  const { url, headers, call } = server
  const socketUrl = new URL(`${url.replace(/^http/, 'ws')}/stream`)
  socketUrl.searchParams.set('cloudAgentSessionId', sessionId)
  return {
    socketUrl,
    async ticket(signal) {
      const body = JSON.stringify({ cloudAgentSessionId: sessionId })
      const init = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body, signal }
      return (await fetchJson(`${url}/api/cloud-agent/sessions/stream-ticket`, init, ticketSchema)).ticket
    },
    async head(signal) {
      const session = await call.getSession.query({ cloudAgentSessionId: sessionId }, { signal })
      return session.latestEventId
    },
  }
}
