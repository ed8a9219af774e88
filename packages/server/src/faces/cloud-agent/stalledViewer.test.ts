/** A viewer that reads nothing while much flows: it costs a bounded memory, nobody waits for it, and it gets everything. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { limits, MiB, type SessionId } from '@corral/protocol'
import { afterAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { testStream } from './testStream.ts'

const face = await testStream()
afterAll(() => face[Symbol.asyncDispose]())

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** What is held and not garbage, on the heap and beside it. */
function heldBytes(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Keeps nothing but the numbers. */
async function open(session: SessionId): Promise<{ socket: WebSocket; numbers: number[] }> {
  const search = new URLSearchParams({ cloudAgentSessionId: session, ticket: await face.ticket(session) })
  const socket = new WebSocket(`${face.url}/stream?${search}`)
  const numbers: number[] = []
  socket.on('message', (data: Buffer) => {
    const id = /^\{"eventId":(\d+)/.exec(data.subarray(0, 40).toString())?.[1]
    if (id !== undefined && id !== '0') numbers.push(Number(id))
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  return { socket, numbers }
}

const until = (holds: () => boolean) => expect.poll(holds, { timeout: 90_000, interval: 50 }).toBe(true)

test('200 MB flow by a viewer that does not read', { timeout: 180_000 }, async () => {
  const session = await face.addSession()
  const stalled = await open(session)
  const reader = await open(session)
  await until(() => stalled.numbers.length === 1 && reader.numbers.length === 1)
  stalled.socket.pause()
  const before = heldBytes()

  const content = 'x'.repeat(MiB)
  const events = 200
  let most = 0
  for (let i = 1; i <= events; i++) {
    await face.append(session, [content])
    // The one that reads is never far behind, whatever the other one does.
    await until(() => reader.numbers.length >= i)
    if (i % 20 === 0) most = Math.max(most, heldBytes() - before)
  }
  await until(() => reader.numbers.length === events + 1)
  expect(stalled.numbers.length).toBeLessThan(events / 4)
  expect(most).toBeLessThan(64 * MiB)
  expect(limits.viewerBacklogBytes).toBeLessThanOrEqual(MiB)

  stalled.socket.resume()
  await until(() => stalled.numbers.length === events + 1)
  const all = Array.from({ length: events + 1 }, (_, i) => i + 1)
  expect(stalled.numbers).toEqual(all)
  expect(reader.numbers).toEqual(all)
  for (const { socket } of [stalled, reader]) socket.terminate()
})
