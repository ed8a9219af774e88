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
import { type Begin, createEar, type Ear, nowMs } from './conversation.ts'

const ticketMs = 10_000
const endMs = 20_000

export const beginBehindCorral =
  (installation: Installation, repository: string): Begin =>
  async (prompt) => {
    const { call } = installation.corral
    const ear = createEar()
    // When this fails, the installation's end is the end of whatever was begun.
    const { sent, ...first } = await ear.turn(async () => {
      const ack = await call.start.mutate({ prompt, mode: 'code', model: 'scripted/demo', gitUrl: repository })
      return { session: ack.cloudAgentSessionId, socket: await view(installation, ack.cloudAgentSessionId, ear) }
    })
    const named = { cloudAgentSessionId: sent.session }
    return {
      first,
      turn: (text, listen) => ear.turn(() => call.sendMessage.mutate({ ...named, prompt: text }), listen),
      async [Symbol.asyncDispose]() {
        sent.socket.close()
        await call.deleteSession.mutate(named)
        await eventually('the end of a sandbox', endMs, async () => {
          const left = await readdir(join(installation.home, 'sandboxes'))
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
