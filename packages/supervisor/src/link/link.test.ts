import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { limits, newSessionId, type SessionId, type UpEvent } from '@corral/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeEvent } from '../spool/encode.ts'
import { createOpenParts } from '../spool/openParts.ts'
import { openSessionSpool, type SessionSpool } from '../spool/sessionSpool.ts'
import { createFolder } from '../testing/folder.ts'
import { type LinkServer, startLinkServer } from '../testing/linkServer.ts'
import { shortLinkTimers } from '../testing/shortTimers.ts'
import { createLink, type Link } from './link.ts'
import { RpcError } from './peer.ts'

let folder: ReturnType<typeof createFolder>
let server: LinkServer
let link: Link
let ended: Promise<'fenced' | 'closed'>
let spools: Map<SessionId, SessionSpool>
const one = newSessionId()
const two = newSessionId()

beforeEach(async () => {
  folder = createFolder()
  spools = new Map()
  server = await startLinkServer(join(folder.path, 'server.sock'))
})
afterEach(async () => {
  link.close()
  await ended
  await server.close()
  folder.remove()
})

const spoolOf = (id: SessionId): SessionSpool => {
  const spool =
    spools.get(id) ??
    openSessionSpool({ folder: join(folder.path, 'spool', id), openParts: createOpenParts(), log: () => undefined })
  spools.set(id, spool)
  return spool
}

function connect(timers = shortLinkTimers): void {
  link = createLink({
    door: join(folder.path, 'server.sock'),
    token: 'link-token',
    timers,
    log: () => undefined,
    handlers: {
      hello: () => ({
        bootId: 'boot_test',
        incarnation: 1,
        protocol: 1,
        sessions: [...spools].map(([id, spool]) => ({
          id,
          spools: spool.epochs().map(({ epoch, ackedN, lastN }) => ({ epoch, firstUnackedN: ackedN + 1, lastN })),
          workspace: { attempt: 0, state: 'absent' as const },
        })),
      }),
      welcome: ({ sessions }) =>
        sessions.flatMap((told) => {
          if ('release' in told) return []
          spoolOf(told.id).adopt(told.epoch, told.ackedN)
          return [told.id]
        }),
      command(method) {
        if (method === 'session.diff') return null
        throw new RpcError(7, 'not now')
      },
      spool: (id) => spools.get(id),
    },
  })
  ended = link.run()
}

function say(id: SessionId, ...texts: string[]): void {
  for (const content of texts) {
    const event: UpEvent = { type: 'output', data: { content, source: 'stdout' } }
    spoolOf(id).append(encodeEvent(event).payload, { durable: false })
  }
  link.pump()
}
const heard = () => server.events.map(({ data }) => data.content)
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i))

describe('the link', () => {
  it('says who it is, then what is spooled, and keeps beating', async () => {
    server.assign(one)
    connect()
    await server.until(() => server.hellos[0])
    await server.until(() => spools.get(one))
    say(one, 'a', 'b')
    await server.until(() => heard().length === 2 && server.heartbeats() > 1)
    expect(server.tokens).toEqual(['Bearer link-token'])
    expect(heard()).toEqual(['a', 'b'])
    expect(spoolOf(one).epochs()[0]?.ackedN).toBe(2)
  })

  it('comes again for ever, and goes on with the first event that the server does not have', async () => {
    server.assign(one)
    connect()
    await server.until(() => spools.get(one))
    say(one, ...numbers(1, 5))
    await server.until(() => heard().length === 5)
    await server.close()
    say(one, ...numbers(6, 9))
    await server.listen()
    await server.until(() => heard().length === 9)
    expect(heard()).toEqual(numbers(1, 9))
  })

  it('loses and doubles nothing when it is cut at any moment', async () => {
    server.assign(one)
    server.assign(two)
    connect()
    await server.until(() => spools.get(one) && spools.get(two))
    for (let i = 1; i <= 400; i++) {
      say(one, `one ${i}`)
      say(two, `two ${i}`)
      if (i % 40 === 0) server.cut()
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await server.until(() => heard().length >= 800)
    expect(heard().filter((text) => String(text).startsWith('one'))).toEqual(numbers(1, 400).map((n) => `one ${n}`))
    expect(heard().filter((text) => String(text).startsWith('two'))).toEqual(numbers(1, 400).map((n) => `two ${n}`))
  })

  it('sends no more than the window without an ack, while answers and heartbeats pass', async () => {
    server.assign(one)
    connect()
    await server.until(() => spools.get(one))
    server.holdAcks(true)
    say(one, ...numbers(1, 1500))
    await server.until(() => heard().length === limits.windowEvents)
    expect(await server.call('session.diff', { session: one })).toBe(null)
    const beats = server.heartbeats()
    await server.until(() => server.heartbeats() > beats + 1)
    expect(heard()).toHaveLength(limits.windowEvents)
    server.holdAcks(false)
    await server.until(() => heard().length === 1500)
    expect(heard()).toEqual(numbers(1, 1500))
  })

  it('bounds the window by bytes, too', async () => {
    server.assign(one)
    connect()
    await server.until(() => spools.get(one))
    server.holdAcks(true)
    const megabyte = 'x'.repeat(1024 * 1024)
    for (let i = 0; i < 12; i++) say(one, megabyte)
    await server.until(() => heard().length === 8)
    const beats = server.heartbeats()
    await server.until(() => server.heartbeats() > beats + 1)
    expect(heard()).toHaveLength(8)
    server.holdAcks(false)
    await server.until(() => heard().length === 12)
  })

  it('drains an older epoch before it begins the newer one, and then deletes it', async () => {
    server.assign(one, { epoch: 4 })
    connect()
    await server.until(() => spools.get(one))
    await server.close()
    say(one, 'old')
    server.assign(one, { epoch: 5, ackedN: 0 })
    await server.listen()
    await server.until(() => spoolOf(one).epochs().at(-1)?.epoch === 5)
    say(one, 'new')
    await server.until(() => heard().includes('new'))
    expect(server.events).toMatchObject([{ epoch: 5, n: 1 }])
    expect(server.hellos.at(-1)?.sessions[0]?.spools).toEqual([{ epoch: 4, firstUnackedN: 1, lastN: 1 }])
    await server.until(() => !existsSync(join(folder.path, 'spool', one, '4')))
  })

  it('answers a refusal with its code and sentence', async () => {
    server.assign(one)
    connect()
    await server.until(() => spools.get(one))
    await expect(server.call('session.stopAgent', { session: one })).rejects.toThrow('7: not now')
  })

  it('ends when it is fenced off, and for nothing else', async () => {
    server.assign(one)
    connect()
    await server.until(() => server.hellos[0])
    server.cut(4406)
    await server.until(() => server.hellos[1])
    server.cut(4401)
    expect(await ended).toBe('fenced')
  })

  it('gives up a connection on which nothing is heard', async () => {
    server.assign(one)
    connect({ ...shortLinkTimers, silenceMs: 150 })
    await server.until(() => server.hellos[0])
    server.freeze()
    await server.until(() => server.hellos[1])
  })
})
