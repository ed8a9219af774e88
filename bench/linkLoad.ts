/** Both ends of `link.ts` in a process of their own: supervisors that stream at a pace, and a viewer of each session. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { linkProtocol, linkSubprotocol, newPartId, type SessionId } from '@corral/protocol'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { median, percentile } from './benchmark.ts'

export type Member = { session: SessionId; token: string; bootId: string; viewerUrl: string }
export type ToLinkLoad =
  | { dial: { path: string; members: Member[] } }
  | { stream: { eventsPerSecond: number; seconds: number } }
export type FromLinkLoad = { dialed: number } | { median: number; p99: number }

/** What every event says besides its number. */
const words = ' and a few words more'
const lateMs = 20_000

/** Sends one event. */
let supervisors: ((text: string) => void)[] = []
let sentAtMs: number[] = []
let latencies: number[] = []

const deltaSchema = z.object({ properties: z.object({ delta: z.string() }) })

async function dialViewer(url: string): Promise<void> {
  const socket = new WebSocket(url)
  const connected = once(socket, 'message')
  await connected
  socket.on('message', (data) => {
    const nowMs = performance.now()
    const frame = JSON.parse(String(data))
    const number = Number.parseInt(deltaSchema.parse(frame.data).properties.delta, 10)
    latencies.push(nowMs - (sentAtMs[number] ?? Number.NaN))
  })
}

const welcomeSchema = z.object({ result: z.object({ sessions: z.array(z.object({ epoch: z.number() })) }) })

async function dialSupervisor(path: string, member: Member): Promise<(text: string) => void> {
  const { session, token, bootId } = member
  const headers = { authorization: `Bearer ${token}` }
  const socket = new WebSocket(`ws+unix://${path}:/link`, [linkSubprotocol], { headers, perMessageDeflate: false })
  await once(socket, 'open')
  const send = (frame: object) => socket.send(JSON.stringify({ jsonrpc: '2.0', ...frame }))
  send({ id: 1, method: 'hello', params: { bootId, incarnation: 1, protocol: linkProtocol, sessions: [] } })
  const [answer] = await once(socket, 'message')
  const [given] = welcomeSchema.parse(JSON.parse(String(answer))).result.sessions
  const partID = newPartId()
  let n = 0
  return (delta) => {
    const properties = { sessionID: 'ses_0', messageID: 'msg_0', partID, field: 'text', delta }
    const event = { type: 'kilocode', data: { type: 'message.part.delta', properties } }
    send({ method: 'events', params: { session, epoch: given?.epoch, from: ++n, events: [event] } })
  }
}

async function stream(eventsPerSecond: number, seconds: number): Promise<FromLinkLoad> {
  sentAtMs = []
  latencies = []
  const total = eventsPerSecond * seconds
  const beganMs = performance.now()
  while (sentAtMs.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - beganMs) / 1000) * eventsPerSecond))
    while (sentAtMs.length < due) {
      const number = sentAtMs.push(performance.now()) - 1
      supervisors[number % supervisors.length]?.(`${number}${words}`)
    }
    await delay(1)
  }
  const deadlineMs = performance.now() + lateMs
  while (latencies.length < total) {
    if (performance.now() > deadlineMs) throw new Error(`${latencies.length} of ${total} events came`)
    await delay(10)
  }
  return { median: median(latencies), p99: percentile(latencies, 0.99) }
}

async function answer(message: ToLinkLoad): Promise<FromLinkLoad> {
  if ('stream' in message) return stream(message.stream.eventsPerSecond, message.stream.seconds)
  const { path, members } = message.dial
  supervisors = await Promise.all(members.map((member) => dialSupervisor(path, member)))
  await Promise.all(members.map(({ viewerUrl }) => dialViewer(viewerUrl)))
  return { dialed: members.length }
}

process.on('message', (message: ToLinkLoad) => {
  void answer(message).then((said) => process.send?.(said))
})
