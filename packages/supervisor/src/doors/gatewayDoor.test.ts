import { createServer, type RequestListener, type Server } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fallbackHeader } from '@corral/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFolder } from '../testing/folder.ts'
import { type GatewayDoor, openGatewayDoor } from './gatewayDoor.ts'

let folder: ReturnType<typeof createFolder>
let socketPath: string
let door: GatewayDoor
let gateways: Server[]
let fellBack: unknown[]

beforeEach(async () => {
  folder = createFolder()
  gateways = []
  fellBack = []
  socketPath = join(folder.path, 'gateway.sock')
  door = await openGatewayDoor({
    ...{ socketPath, port: 0, repeatForMs: 1_000, log: () => undefined },
    fellBack: (token, fallback) => fellBack.push({ token, ...fallback }),
    registryToken: () => 'the-session',
  })
})
afterEach(() => {
  door.close()
  for (const gateway of gateways) gateway.close().closeAllConnections()
  folder.remove()
})

async function startGateway(answer: RequestListener): Promise<Server> {
  const gateway = createServer(answer)
  gateways.push(gateway)
  await new Promise<void>((resolve) => gateway.listen(socketPath, resolve))
  return gateway
}

describe("the gateway's door", () => {
  it('tells which models were passed over for whom, and not the program that has called', async () => {
    const passedOver = [{ model: 'openai/gpt', status: 429 }]
    await startGateway((_, response) => {
      response.writeHead(200, { [fallbackHeader]: JSON.stringify({ passedOver, answered: 'scripted/demo' }) }).end()
    })
    const answer = await fetch(door.origin, { headers: { authorization: 'Bearer token' } })
    expect(answer.headers.get(fallbackHeader)).toBe(null)
    expect(fellBack).toEqual([{ token: 'token', passedOver, answered: 'scripted/demo' }])
  })

  it('passes an answer whose notice cannot be read', async () => {
    await startGateway((_, response) => response.writeHead(200, { [fallbackHeader]: '{"passedOver":' }).end('fine'))
    expect(await (await fetch(door.origin)).text()).toBe('fine')
    expect(fellBack).toEqual([])
  })

  it('passes a call and its answer through', async () => {
    await startGateway(async (request, response) => {
      const body = await Array.fromAsync(request, (chunk) => String(chunk))
      response.writeHead(201, { 'x-path': request.url ?? '', 'x-auth': request.headers.authorization ?? '' })
      response.end(`${request.method} ${body.join('')}`)
    })
    const answer = await fetch(`${door.origin}/v1/models?a=b`, {
      method: 'POST',
      headers: { authorization: 'Bearer token' },
      body: 'hello',
    })
    expect([answer.status, answer.headers.get('x-path'), answer.headers.get('x-auth'), await answer.text()]).toEqual([
      201,
      '/v1/models?a=b',
      'Bearer token',
      'POST hello',
    ])
  })

  it('says whose a call to a registry is where the program has not, and of no other call', async () => {
    await startGateway((request, response) => response.end(request.headers.authorization ?? 'nobody'))
    const asked = async (path: string, headers: Record<string, string> = {}) =>
      (await fetch(door.origin + path, { headers })).text()
    expect(await asked('/registry/npm/is-odd')).toBe('Bearer the-session')
    expect(await asked('/registry/npm/is-odd', { authorization: 'Bearer own' })).toBe('Bearer own')
    for (const path of ['/v1/models', '/git/host/registry/', '/x/registry/npm'])
      expect(await asked(path)).toBe('nobody')
  })

  it('is no proxy: a tunnel is not opened through it', async () => {
    let reached = false
    await startGateway((_, response) => {
      reached = true
      response.end()
    })
    const socket = connect(Number(new URL(door.origin).port), '127.0.0.1')
    socket.write('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n')
    expect(await text(socket)).toBe('')
    expect(reached).toBe(false)
  })

  it('gives a stream on piece by piece', async () => {
    const next = Promise.withResolvers<void>()
    await startGateway(async (_request, response) => {
      response.write('first')
      await next.promise
      response.end('second')
    })
    const { body } = await fetch(door.origin)
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toBe('first')
    next.resolve()
    expect((await reader?.read())?.value).toBe('second')
  })

  it('waits for a gateway that is not there yet, with the whole request', async () => {
    const call = fetch(door.origin, { method: 'POST', body: 'x'.repeat(1_000_000) })
    await startGateway(async (request, response) => {
      const body = await Array.fromAsync(request, (chunk) => String(chunk))
      response.end(String(body.join('').length))
    })
    expect(await (await call).text()).toBe('1000000')
  })

  it('repeats a call that a dying gateway has taken but not answered', async () => {
    let calls = 0
    await startGateway(async (request, response) => {
      const body = await Array.fromAsync(request, (chunk) => String(chunk))
      if (++calls < 3) request.socket.destroy()
      else response.end(body.join(''))
    })
    expect(await (await fetch(door.origin, { method: 'POST', body: 'again' })).text()).toBe('again')
    expect(calls).toBe(3)
  })

  it('resets an answer that breaks, and never ends it cleanly', async () => {
    await startGateway((request, response) => {
      response.write('the beginning', () => request.socket.destroy())
    })
    await expect((async () => (await fetch(door.origin)).text())()).rejects.toThrow()
  })

  it('says 503 with a sentence when the gateway does not come back', async () => {
    const answer = await fetch(door.origin)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ error: { code: 'unavailable' } })
  })

  it('gives up the call when the caller has left', async () => {
    const arrived = Promise.withResolvers<void>()
    const left = Promise.withResolvers<void>()
    await startGateway((request) => {
      request.socket.on('close', () => left.resolve())
      arrived.resolve()
    })
    const caller = new AbortController()
    const call = fetch(door.origin, { signal: caller.signal })
    await arrived.promise
    caller.abort()
    await expect(call).rejects.toThrow()
    await left.promise
  })
})
