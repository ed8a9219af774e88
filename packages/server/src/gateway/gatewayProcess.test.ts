import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { networkSchema } from '@corral/protocol'
import { pino } from 'pino'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { gatewayHealth } from './control.ts'
import { createGatewayProcess, type GatewayProcess } from './gatewayProcess.ts'
import { gatewayProgram } from './program.ts'
import { bearer, chat, type TestSession, testGateway } from './testGateway.ts'

/** A model server that says under which key it was called, and ends its answer when it is told to. */
let hold = Promise.resolve()
const keysSeen: string[] = []
const models = createServer((request, response) => {
  keysSeen.push(request.headers.authorization ?? '')
  request.resume().on('end', async () => {
    response.writeHead(200, { 'content-type': 'text/plain' }).write(`${request.headers.authorization}, `)
    await hold
    response.end('whole.')
  })
})
const echo = createTcpServer((socket) => socket.pipe(socket).on('error', () => {}))
const [modelPort, echoPort] = await Promise.all(
  [models, echo].map(async (server) => {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    return typeof address === 'object' && address ? address.port : 0
  }),
)

const gateway = await testGateway({ allowPrivateHosts: [`localhost:${echoPort}`] })
await gateway.close()
const { version, controlSocket, stateFolder, ...settings } = gateway.settings
const home = join(gateway.folder, 'home')
const processes: GatewayProcess[] = []
const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const one of processes.splice(0).reverse()) await one.stop()
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const server of [models, echo]) server.close()
})

/** A server's side of the gateway, with this key for its models. */
function server(apiKey: string, program: (folder: string) => Promise<string> = gatewayProgram): GatewayProcess {
  const made = createGatewayProcess({
    ...{ home, controlSocket, program, env: {}, nodeBinary: process.execPath, logger: pino({ level: 'silent' }) },
    settings: { ...settings, upstreams: { own: { baseUrl: `http://127.0.0.1:${modelPort}/v1`, apiKey } } },
  })
  processes.push(made)
  return made
}

const ask = (session: TestSession) =>
  gateway.call('/v1/chat/completions', {
    method: 'POST',
    headers: bearer(session.token),
    body: chat('', { model: 'own/m' }),
  })
const pidOf = async (of: GatewayProcess) => (await of.health())?.pid

test('a gateway outlives its server, and the next one with the same configuration has it for its own', async () => {
  const first = server('key')
  await first.ensure()
  const pid = await pidOf(first)
  const next = server('key')
  await next.ensure()
  expect(await pidOf(next)).toBe(pid)
  expect(await next.stop()).toBe(true)
  expect(await gatewayHealth(controlSocket)).toBeNull()
})

test('with another key it is replaced: streams and tunnels go on in the old one, and no call is refused meanwhile', async () => {
  const session = await gateway.session({
    model: 'own/m',
    network: networkSchema.parse({ hosts: [`localhost:${echoPort}`] }),
  })
  const old = server('old-key')
  await old.ensure()
  const oldPid = await pidOf(old)

  const held = Promise.withResolvers<void>()
  hold = held.promise
  const streaming = await ask(session)
  const tunnel = connect({ path: gateway.settings.socket, allowHalfOpen: true })
  const credentials = Buffer.from(`${session.token}:`).toString('base64')
  tunnel.write(`CONNECT localhost:${echoPort} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`)
  expect(String((await once(tunnel, 'data'))[0])).toContain(' 200 ')

  const answers: number[] = []
  let done = false
  const callers = Array.from({ length: 4 }, async () => {
    while (!done) {
      const answer = await gateway.call('/v1/models', { headers: bearer(session.token) })
      await answer.body.dump()
      answers.push(answer.statusCode)
    }
  })
  await vi.waitFor(() => expect(answers.length).toBeGreaterThan(20), { timeout: 10_000, interval: 20 })
  const next = server('new-key')
  await next.ensure()
  const before = answers.length
  await vi.waitFor(() => expect(answers.length).toBeGreaterThan(before + 20), { timeout: 10_000, interval: 20 })
  done = true
  await Promise.all(callers)
  expect(new Set(answers)).toEqual(new Set([200]))
  expect(await pidOf(next)).not.toBe(oldPid)

  tunnel.write('still here')
  expect(String((await once(tunnel, 'data'))[0])).toBe('still here')
  held.resolve()
  expect(await text(streaming.body)).toBe('Bearer old-key, whole.')
  expect(await text((await ask(session)).body)).toBe('Bearer new-key, whole.')
  expect(processRuns(oldPid)).toBe(true)
  tunnel.end()
  await vi.waitFor(() => expect(processRuns(oldPid)).toBe(false), { timeout: 10_000, interval: 20 })
})

test('of another version it is replaced, and the one that died is started again by the server that has it', async () => {
  const newer = async (folder: string) => {
    const path = join(folder, 'newer.mjs')
    await writeFile(path, `import ${JSON.stringify(await gatewayProgram(folder))}\n`)
    return path
  }
  const old = server('key')
  await old.ensure()
  const next = server('key', newer)
  await next.ensure()
  const pid = await pidOf(next)
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  await vi.waitFor(async () => expect(await gatewayHealth(controlSocket)).toBeNull(), { timeout: 5_000, interval: 20 })
  await next.ensure()
  const session = await gateway.session({ model: 'own/m' })
  hold = Promise.resolve()
  expect(await text((await ask(session)).body)).toContain('whole.')
})

test('a server keeps to the program that it has, and one program lies in the folder', async () => {
  const folder = join(home, 'gateway')
  await writeFile(join(folder, 'gateway-0123456789abcdef.mjs'), 'throw new Error("an earlier one")\n')
  const one = server('key')
  await one.ensure()
  expect((await readdir(folder)).filter((name) => name.startsWith('gateway-'))).toHaveLength(1)
  const pid = await pidOf(one)
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  await one.ensure()
  expect(await pidOf(one)).not.toBe(pid)
})

test('one of another time, whose answers nobody can read, is asked to drain and replaced', async () => {
  const other = `
    import { createServer } from 'node:http'
    const server = createServer((request, response) => {
      response.end('{"and": "what not"}')
      if (request.url === '/drain') setTimeout(() => process.exit(0), 100)
    })
    server.listen(${JSON.stringify(controlSocket)}, () => console.log('listening'))`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', other], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  await once(child.stdout, 'data')
  const ended = once(child, 'exit')
  await server('key').ensure()
  expect(await ended).toEqual([0, null])
})

function processRuns(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}
