/**
 * The agent behind Corral: a session of its own in a sandbox of its own, and one viewer on a WebSocket. Invariant:
 * nothing of its sandbox runs any more when its conversation has ended.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { SessionId, StreamFrame } from '@corral/protocol'
import WebSocket from 'ws'
import { eventually } from '../e2e/harness/eventually.ts'
import { apiKey, type Installation } from '../e2e/harness/installation.ts'
import { createDoor } from '../packages/client/src/door.ts'
import { type Begin, type Conversation, createEar, type Ear, nowMs, type Turn } from './conversation.ts'

const ticketMs = 10_000
const endMs = 20_000
const warmMs = 90_000

const configurationOf = (prompt: string, repository: string) =>
  ({ prompt, mode: 'code', model: 'scripted/demo', gitUrl: repository }) as const

/** In a session that did not exist. When it fails, the installation's end is the end of whatever was begun. */
export const beginBehindCorral =
  (installation: Installation, repository: string): Begin =>
  async (prompt) => {
    const { call } = installation.corral
    const ear = createEar()
    const { sent, ...first } = await ear.turn(async () => {
      const { cloudAgentSessionId: session } = await call.start.mutate(configurationOf(prompt, repository))
      return { session, socket: await view(installation, session, ear) }
    })
    return conversationOf(installation, { ear, first, ...sent })
  }

/** In a session that was prepared before anybody waited for it; its first turn begins with its initiation. */
export const beginPrepared =
  (installation: Installation, repository: string): Begin =>
  async (prompt) => {
    const { backEnd, corral } = installation
    const ear = createEar()
    const prepared = await backEnd.call.prepareSession.mutate(configurationOf(prompt, repository))
    const named = { cloudAgentSessionId: prepared.cloudAgentSessionId }
    const socket = await view(installation, prepared.cloudAgentSessionId, ear)
    await eventually('a session that is warm', warmMs, async () => {
      const { agentStatus } = await corral.call.getSession.query(named)
      return agentStatus === 'idle' ? true : null
    })
    const { sent: _, ...first } = await ear.turn(() => corral.call.initiateFromPreparedSession.mutate(named))
    return conversationOf(installation, { ear, first, socket, session: prepared.cloudAgentSessionId })
  }

function conversationOf(
  { corral: { call }, home }: Installation,
  { ear, first, socket, session }: { ear: Ear; first: Turn; socket: WebSocket; session: SessionId },
): Conversation {
  const named = { cloudAgentSessionId: session }
  return {
    first,
    turn: (text, listen) => ear.turn(() => call.sendMessage.mutate({ ...named, prompt: text }), listen),
    async [Symbol.asyncDispose]() {
      socket.close()
      await call.deleteSession.mutate(named)
      await eventually('the end of a sandbox', endMs, async () => {
        const left = await readdir(join(home, 'sandboxes'))
        return left.length === 0 ? true : null
      })
    },
  }
}

async function view({ url, corral }: Installation, session: SessionId, ear: Ear): Promise<WebSocket> {
  const door = createDoor({ url, headers: { authorization: `Bearer ${apiKey}` }, call: corral.call }, session)
  const address = door.socketUrl
  address.searchParams.set('ticket', await door.ticket(AbortSignal.timeout(ticketMs)))
  const socket = new WebSocket(address)
  socket.on('message', (data) => {
    const atMs = nowMs()
    const frame: StreamFrame = JSON.parse(data.toString())
    if (frame.streamEventType === 'kilocode') ear.hear(atMs, frame.data)
    if (frame.streamEventType === 'complete') ear.done()
    if (frame.streamEventType === 'error' && frame.data.reason) ear.fail(new Error(frame.data.error))
  })
  socket.on('error', (error) => ear.fail(error))
  return socket
}
