import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { testLinks } from '../testing/supervisor.ts'

describe('a sandbox that turns on the door', async () => {
  const world = await testLinks()
  const crowd: Socket[] = []
  afterEach(() => crowd.splice(0).forEach((socket) => void socket.destroy()))
  afterAll(() => world[Symbol.asyncDispose]())

  /** Connections that never end by themselves, and close nothing when the other side does. */
  const gather = (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const socket = connect({ path: world.path, allowHalfOpen: true })
        socket.on('error', () => {})
        crowd.push(socket)
        await once(socket, 'connect')
        return socket
      }),
    )
  const stillOpen = () => crowd.filter((socket) => !socket.destroyed && !socket.readableEnded).length
  async function supervisorGetsThrough() {
    const { token, bootId } = await world.addSandbox()
    const peer = await world.connect(token)
    peer.hello({ bootId })
    await peer.welcomed()
  }

  test('with connections that say nothing keeps no supervisor out, and few of them', async () => {
    await gather(300)
    await supervisorGetsThrough()
    await gather(300)
    await supervisorGetsThrough()
    for (const socket of crowd) socket.resume()
    await vi.waitFor(() => expect(stillOpen()).toBeLessThanOrEqual(256), 5_000)
  })

  test('with tokens that are none is refused each time, and nothing is left of it', async () => {
    const strangers = await gather(200)
    let refused = 0
    for (const socket of strangers) {
      socket.once('data', (answer) => {
        if (answer.includes('401')) refused++
      })
      socket.write(upgradeWith('wrong'))
    }
    await supervisorGetsThrough()
    await vi.waitFor(() => expect([refused, stillOpen()]).toEqual([200, 0]), 10_000)
  })

  test('with links beyond number in its own name gets some, and keeps no other sandbox out', async () => {
    const { token } = await world.addSandbox()
    const dialed = await Promise.allSettled(Array.from({ length: 150 }, () => world.connect(token)))
    expect(dialed.filter(({ status }) => status === 'fulfilled')).toHaveLength(128)
    await supervisorGetsThrough()
    for (const link of dialed) if (link.status === 'fulfilled') link.value.socket.terminate()
  })
})

const upgradeWith = (token: string) =>
  [
    'GET /link HTTP/1.1',
    'Host: corral',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    `Authorization: Bearer ${token}`,
    '\r\n',
  ].join('\r\n')
