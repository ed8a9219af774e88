import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { newSessionId } from '@corral/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openWebDoor, type WebDoor } from './webDoor.ts'

const session = newSessionId()
let folder: string
let door: WebDoor
let told: { session: string; message: string }[]
const gateways: Server[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'corral-web-door-'))
  told = []
  door = await openWebDoor({
    socketPath: join(folder, 'gateway.sock'),
    port: 0,
    repeatForMs: 5_000,
    tell: (id, message) => told.push({ session: id, message }),
  })
})
afterEach(() => {
  door.close()
  for (const gateway of gateways.splice(0)) gateway.close()
  rmSync(folder, { recursive: true })
})

async function openGateway(serve: (program: Socket) => void): Promise<void> {
  const gateway = createServer({ allowHalfOpen: true }, serve)
  gateways.push(gateway)
  gateway.listen(join(folder, 'gateway.sock'))
  await once(gateway, 'listening')
}

/** All that the program says, without closing the way back. */
function hear(socket: Socket, heard: (said: string) => void): void {
  let said = ''
  socket.on('data', (bytes) => {
    said += bytes
  })
  socket.once('end', () => heard(said))
}

const program = () => connect({ port: door.port, host: '127.0.0.1', allowHalfOpen: true })

test('bytes go both ways until both ends have said all', async () => {
  await openGateway((socket) => hear(socket, (said) => socket.end(said.toUpperCase())))
  const socket = program()
  socket.end('all of it')
  expect(await text(socket)).toBe('ALL OF IT')
})

test('a gateway that is restarted is waited for', async () => {
  const socket = program()
  await once(socket, 'connect')
  socket.end('said before it was there')
  await openGateway((other) => hear(other, (said) => other.end(said)))
  expect(await text(socket)).toBe('said before it was there')
})

test('what a refusal has for the session is told, and nothing that a tunnel carries', async () => {
  const notice = `corral-session: ${session}\r\ncorral-notice: ${encodeURIComponent('über is not listed')}\r\n`
  const answers = [
    `HTTP/1.1 403 Forbidden\r\n${notice}\r\nno`,
    `HTTP/1.1 200 OK\r\n${notice}\r\nyes`,
    'HTTP/1.1 403 No\r\n\r\n',
  ]
  await openGateway((socket) => socket.end(answers.shift() ?? ''))
  for (let i = 0; i < 3; i++) await text(program())
  expect(told).toEqual([{ session, message: 'über is not listed' }])
})

test('a program that goes away takes its connection to the gateway along', async () => {
  const gone = Promise.withResolvers<void>()
  await openGateway((socket) => {
    socket.resume()
    socket.on('end', () => gone.resolve())
    socket.on('error', () => {})
    socket.write('here')
  })
  const socket = program()
  await once(socket, 'data')
  socket.resetAndDestroy()
  await gone.promise
})
