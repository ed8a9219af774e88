/** A viewer that is cut a hundred times, in replay and live, sees what one sees that stays. */
import { afterAll, expect, test } from 'vitest'
import { testStream } from './testStream.ts'

const face = await testStream()
afterAll(() => face[Symbol.asyncDispose]())

test('a hundred cuts at random moments leave no gap and no double', { timeout: 120_000 }, async () => {
  const session = await face.addSession()
  const open = async (fromId: number) => {
    const watching = await face.dial({
      cloudAgentSessionId: session,
      ticket: await face.ticket(session),
      fromId: String(fromId),
    })
    if ('status' in watching) throw new Error(`refused: ${JSON.stringify(watching.body)}`)
    return watching
  }
  const staying = await open(0)

  let writing = true
  let written = 1
  const writer = (async () => {
    while (writing) {
      const size = 1 + Math.floor(Math.random() * 30)
      await face.append(
        session,
        Array.from({ length: size }, (_, i) => `line ${written + i}`),
      )
      written += size
    }
  })()

  const seen: string[] = []
  let cursor = 0
  for (let cut = 0; cut < 100; cut++) {
    const watching = await open(cursor)
    const wanted = Math.floor(Math.random() * 60)
    await expect.poll(() => watching.frames.length >= wanted, { timeout: 20_000, interval: 1 }).toBe(true)
    watching.socket.terminate()
    await watching.closed
    const kinds = watching.frames.map((frame) => frame.streamEventType)
    const connected = kinds.indexOf('connected')
    expect(kinds.lastIndexOf('connected')).toBe(connected)
    const live = watching.frames[connected]
    if (live?.streamEventType === 'connected') {
      const ids = watching.frames.map((frame) => frame.eventId)
      expect(ids.slice(0, connected).every((id) => id <= live.data.lastEventId)).toBe(true)
      expect(ids.slice(connected + 1).every((id) => id > live.data.lastEventId)).toBe(true)
    }
    for (const event of watching.events()) {
      seen.push(JSON.stringify(event))
      cursor = event.eventId
    }
  }
  writing = false
  await writer
  const rest = await open(cursor)
  const left = written - cursor
  await expect.poll(() => rest.events().length, { timeout: 20_000 }).toBe(left)
  await expect.poll(() => staying.events().length, { timeout: 20_000 }).toBe(written)
  seen.push(...rest.events().map((event) => JSON.stringify(event)))
  expect(seen).toEqual(staying.events().map((event) => JSON.stringify(event)))
  expect(staying.connected()).toHaveLength(1)
  for (const { socket } of [rest, staying]) socket.terminate()
})
