/** A viewer on a bare WebSocket, as any program writes one: a ticket, an address, frames. */
import type { ConnectedFrame, Envelope, SessionId, StreamFrame } from '@corral/protocol'
import WebSocket from 'ws'
import { eventually } from './eventually.ts'

export type SocketViewer = {
  /** In the order in which they came. */
  frames: StreamFrame[]
  events(): Envelope[]
  connected(): ConnectedFrame[]
  until(what: string, matches: (event: Envelope) => boolean, withinMs?: number): Promise<Envelope>
  closed(): Promise<number>
  /** Reads nothing until `resume`. */
  pause(): void
  resume(): void
  close(): void
}

type Access = { url: string; apiKey: string; session: SessionId }

async function ticketFor({ url, apiKey, session }: Access): Promise<string> {
  const response = await fetch(`${url}/api/cloud-agent/sessions/stream-ticket`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ cloudAgentSessionId: session }),
  })
  const body: { ticket?: string } = await response.json()
  if (!body.ticket) throw new Error(`no ticket: ${response.status} ${JSON.stringify(body)}`)
  return body.ticket
}

export async function openSocket(access: Access, parameters: Record<string, string> = {}): Promise<SocketViewer> {
  const address = new URL('/stream', access.url.replace(/^http/, 'ws'))
  const query = { cloudAgentSessionId: access.session, ticket: await ticketFor(access), ...parameters }
  address.search = new URLSearchParams(query).toString()
  const socket = new WebSocket(address)
  const frames: StreamFrame[] = []
  socket.on('message', (data) => frames.push(JSON.parse(data.toString())))
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))

  const isConnected = (frame: StreamFrame) => frame.streamEventType === 'connected'
  const events = () => frames.filter((frame) => !isConnected(frame)) as Envelope[]
  return {
    frames,
    events,
    connected: () => frames.filter(isConnected) as ConnectedFrame[],
    until: (what, matches, withinMs = 60_000) => eventually(what, withinMs, () => events().find(matches) ?? null),
    closed: () => closed,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.close(),
  }
}
