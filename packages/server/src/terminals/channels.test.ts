import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { newSandboxId, terminalChannelPath } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Channels, createChannels, type SandboxLife } from './channels.ts'

const life: SandboxLife = { sandboxId: newSandboxId(), bootId: 'boot_1' }
let channels: Channels
let server: Server
/** Whose token the next one shows. */
let dialing: SandboxLife = life
beforeAll(async () => {
  channels = createChannels({ patienceMs: 200 })
  server = createServer()
  server.on('upgrade', (request, socket, head) => {
    if (!channels.admit(dialing, request, socket, head)) socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => void server.close())

/** Whether it was let in. */
async function dial(name: string, as: SandboxLife): Promise<boolean> {
  dialing = as
  const { port } = server.address() as AddressInfo
  const socket = new WebSocket(`ws://127.0.0.1:${port}${terminalChannelPath(name)}`)
  return new Promise((resolve) => {
    socket.on('open', () => resolve(true))
    socket.on('error', () => resolve(false))
  })
}

test('a channel is for one life of one sandbox, once', async () => {
  const { name, arrived } = channels.expect(life)
  expect(await dial(crypto.randomUUID(), life)).toBe(false)
  expect(await dial(name, { ...life, sandboxId: newSandboxId() })).toBe(false)
  expect(await dial(name, { ...life, bootId: 'boot_2' })).toBe(false)
  expect(await dial(name, life)).toBe(true)
  expect(await arrived).not.toBeNull()
  expect(await dial(name, life)).toBe(false)
})

test('a channel that does not come in time, or is not wanted any more, does not come later', async () => {
  const late = channels.expect(life)
  const unwanted = channels.expect(life)
  unwanted.cancel()
  expect(await Promise.all([late.arrived, unwanted.arrived])).toEqual([null, null])
  expect(await dial(late.name, life)).toBe(false)
  expect(await dial(unwanted.name, life)).toBe(false)
})
