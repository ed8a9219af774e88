/** What one terminal needs of the server: where its socket is, what opens it, and the procedures about it. */
import type { PtyId, SessionId } from '@corral/protocol'
import { z } from 'zod'
import { type Calls, fetchJson } from '../calls.ts'
import type { TerminalDoor } from './terminal.ts'

const ticketSchema = z.object({ ticket: z.string() })

export function createTerminalDoor(
  server: { url: string; headers: Record<string, string>; call: Calls },
  cloudAgentSessionId: SessionId,
  ptyId: PtyId,
): TerminalDoor {
  const { url, headers, call } = server
  const socketUrl = new URL(`${url.replace(/^http/, 'ws')}/terminal`)
  socketUrl.searchParams.set('cloudAgentSessionId', cloudAgentSessionId)
  socketUrl.searchParams.set('ptyId', ptyId)
  return {
    socketUrl,
    async ticket(signal) {
      const body = JSON.stringify({ cloudAgentSessionId, purpose: 'terminal', ptyId })
      const init = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body, signal }
      return (await fetchJson(`${url}/api/cloud-agent/sessions/stream-ticket`, init, ticketSchema)).ticket
    },
    list: async (signal) => (await call.listTerminals.query({ cloudAgentSessionId }, { signal })).terminals,
    resize: (size) => call.resizeTerminal.mutate({ cloudAgentSessionId, ptyId, ...size }),
    close: () => call.closeTerminal.mutate({ cloudAgentSessionId, ptyId }),
  }
}
