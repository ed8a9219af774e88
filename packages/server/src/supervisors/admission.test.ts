import { linkClose, newExecutionId, type SessionId } from '@corral/protocol'
import { eq, inArray } from 'drizzle-orm'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { sandbox, sessionHead, workspace } from '../database/schema.ts'
import { connectSupervisor, output, testLinks } from '../testing/supervisor.ts'

describe('a supervisor that dials', async () => {
  const world = await testLinks()
  afterAll(() => world[Symbol.asyncDispose]())

  async function dial() {
    const own = await world.addSandbox()
    return { ...own, peer: await world.connect(own.token) }
  }

  test('is refused without the token of a boot that lives', async () => {
    const old = await world.addSandbox()
    const stopped = await world.addSandbox()
    await world.database.orm
      .update(sandbox)
      .set({ linkTokenHash: Buffer.alloc(32) })
      .where(eq(sandbox.id, old.id))
    await world.database.orm.update(sandbox).set({ state: 'stopped' }).where(eq(sandbox.id, stopped.id))
    for (const token of ['', 'wrong', old.token, stopped.token]) {
      await expect(world.connect(token)).rejects.toThrow('401')
    }
  })

  test('is admitted with the right one, and its epoch is given by the server', async () => {
    const { peer, bootId, session, id } = await dial()
    peer.hello({ bootId })
    expect(await peer.welcomed()).toMatchObject({ sessions: [{ id: session, epoch: 2, ackedN: 0, mayRun: null }] })
    expect(world.links.of(id)).toMatchObject({ bootId, incarnation: 1 })
  })

  test('is fenced off when it is of another boot, or older than the last one', async () => {
    const { peer, token, bootId } = await dial()
    const other = await world.connect(token)
    other.hello({ bootId: crypto.randomUUID() })
    await other.closed(linkClose.fenced)
    peer.hello({ bootId, incarnation: 5 })
    await peer.welcomed()
    const older = await world.connect(token)
    older.hello({ bootId, incarnation: 4 })
    await older.closed(linkClose.fenced)
    expect(peer.isOpen()).toBe(true)
  })

  test('has been heard as soon as its sandbox is ready, whatever becomes of its link', async () => {
    const { peer, bootId, id } = await dial()
    expect(world.links.silentForMs(id)).toBe(Number.POSITIVE_INFINITY)
    peer.hello({ bootId })
    peer.socket.terminate()
    await vi.waitFor(async () => {
      const [row] = await world.database.orm.select().from(sandbox).where(eq(sandbox.id, id))
      expect(row).toMatchObject({ state: 'ready' })
    }, 5_000)
    expect(world.links.silentForMs(id)).toBeLessThan(30_000)
  })

  test('says whose agents went with its predecessor', async () => {
    const { id, token, bootId, sessions } = await world.addSandbox(2)
    const agentUntil = new Date(Date.now() + 60_000)
    await world.database.orm.update(workspace).set({ agentUntil }).where(inArray(workspace.sessionId, sessions))
    const peer = await world.connect(token)
    const told = (session: SessionId, agentRuns: boolean) => ({
      ...{ id: session, spools: [], agentRuns },
      workspace: { attempt: 1, state: 'ready' as const },
    })
    const [alive, gone] = sessions
    if (!alive || !gone) throw new Error('two were asked for')
    peer.hello({ bootId, sessions: [told(alive, true), told(gone, false)] })
    await peer.welcomed()
    expect(world.links.of(id)).not.toBeNull()
    const untilOf = async (session: SessionId) =>
      (await world.database.orm.select().from(workspace).where(eq(workspace.sessionId, session)))[0]?.agentUntil
    expect(await untilOf(alive)).toEqual(agentUntil)
    expect(await untilOf(gone)).toBeNull()
  })

  test('is told that its protocol is not known', async () => {
    const { peer, bootId, token } = await dial()
    peer.hello({ bootId, protocol: 99 })
    await peer.closed(linkClose.unsupportedProtocol)
    // Its client library does not even open a connection of another subprotocol.
    await expect(connectSupervisor(world.path, token, 'corral-link.99')).rejects.toThrow('subprotocol')
  })

  test.each([
    ['a second hello', '{"jsonrpc":"2.0","id":2,"method":"hello","params":{}}'],
    ['no JSON', '{"jsonrpc'],
    ['no JSON-RPC', '{"hello":1}'],
    ['an unknown method', '{"jsonrpc":"2.0","method":"dance","params":{}}'],
    ['events that are none', '{"jsonrpc":"2.0","method":"events","params":{"session":1}}'],
    ['a binary frame', Buffer.from('{"jsonrpc":"2.0","method":"heartbeat","params":{}}')],
  ])('is closed for %s', async (_what, frame) => {
    const { peer, bootId } = await dial()
    peer.hello({ bootId })
    await peer.welcomed()
    peer.socket.send(frame)
    await peer.closed(linkClose.protocolError)
  })

  test.each([
    ['incarnation', { incarnation: 2 ** 31 }],
    ['epoch', { spools: [{ epoch: 2 ** 31 - 1, firstUnackedN: 1, lastN: 1 }] }],
    ['firstUnackedN', { spools: [{ epoch: 1, firstUnackedN: 2 ** 31, lastN: 1 }] }],
    ['lastN', { spools: [{ epoch: 1, firstUnackedN: 1, lastN: 2 ** 53 - 1 }] }],
    ['attempt', { workspace: { attempt: 2 ** 31, state: 'absent' as const } }],
    ['attempt', { running: { executionId: newExecutionId(), attempt: 2 ** 31, begun: true } }],
  ])(
    'is closed for a hello with a larger %s than the database can hold, which changes nothing',
    async (_what, said) => {
      const { peer, bootId, session, id } = await dial()
      const { incarnation = 1, ...ofSession } = { incarnation: undefined, ...said }
      const workspace = { attempt: 0, state: 'absent' as const }
      peer.hello({ bootId, incarnation, sessions: [{ id: session, spools: [], workspace, ...ofSession }] })
      await peer.closed(linkClose.protocolError)
      expect(world.links.of(id)).toBeNull()
      const [row] = await world.database.orm.select().from(sandbox).where(eq(sandbox.id, id))
      expect(row).toMatchObject({ state: 'starting', incarnation: 0 })
    },
  )

  test('is closed for events before its hello', async () => {
    const { peer, session } = await dial()
    peer.events(session, 1, [output('early')])
    await peer.closed(linkClose.protocolError)
    expect(await world.stored(session)).toEqual([])
  })

  test('may come back a hundred times, and has one link', async () => {
    const { id, token, bootId } = await world.addSandbox()
    const peers = await Promise.all(Array.from({ length: 100 }, () => world.connect(token)))
    peers.forEach((peer, i) => {
      peer.hello({ bootId, incarnation: i + 1 })
    })
    await vi.waitFor(() => {
      expect(peers.filter((peer) => peer.isOpen())).toHaveLength(1)
      expect(world.links.of(id)?.incarnation).toBe(100)
    }, 15_000)
  }, 20_000)

  test('that never answers a command lets it time out, and one that is gone fails it at once', async () => {
    const { peer, bootId, id, session } = await dial()
    peer.hello({ bootId })
    await peer.welcomed()
    const link = await vi.waitFor(() => world.links.of(id) ?? Promise.reject(new Error('no link')))
    await expect(link.call('session.stopAgent', { session }, 50)).rejects.toThrow('did not answer')
    peer.socket.terminate()
    await vi.waitFor(() => expect(world.links.of(id)).toBeNull())
    await expect(link.call('session.stopAgent', { session }, 60_000)).rejects.toThrow('is gone')
  })

  test('is welcomed for all sessions of its sandbox, and takes one that comes later on the same link', async () => {
    const { id, token, bootId, sessions } = await world.addSandbox(3)
    const peer = await world.connect(token)
    peer.hello({ bootId })
    expect(await peer.welcomed()).toMatchObject({
      sessions: [...sessions].sort().map((session) => ({ id: session, epoch: 2, ackedN: 0, mayRun: null })),
    })
    const link = await vi.waitFor(() => world.links.of(id) ?? Promise.reject(new Error('no link')))
    const later = await world.addTo(id)
    expect([...sessions, later].map(link.serves)).toEqual([true, true, true, false])

    // Not yet: what it says of it is acked, so that it forgets it, and not stored.
    peer.events(later, 1, [output('early')])
    await peer.acked(later, 1)
    peer.answer('session.assign', { accepted: true })
    await link.call('session.assign', { session: later, epoch: 2, ackedN: 0 }, 5_000)
    await world.database.orm.update(sessionHead).set({ epoch: 2 }).where(eq(sessionHead.sessionId, later))
    expect(link.serves(later)).toBe(true)
    peer.events(later, 1, [output('taken')])
    await vi.waitFor(async () => expect(await world.stored(later)).toHaveLength(1), 5_000)

    peer.answer('session.release', { released: true })
    await link.call('session.release', { session: later }, 5_000)
    peer.events(later, 2, [output('late')])
    await peer.acked(later, 2)
    expect(await world.stored(later)).toHaveLength(1)
    expect([...sessions, later].map(link.serves)).toEqual([true, true, true, false])
  })

  test('that floods and reads no acks is cut off before they fill the memory', async () => {
    const { peer, bootId, session } = await dial()
    peer.hello({ bootId })
    await peer.welcomed()
    const stranger = (await world.addSandbox()).session
    peer.socket.pause()
    const before = process.memoryUsage().rss
    const frame = { method: 'events', params: { session: stranger, epoch: 1, from: 1, events: [output('x')] } }
    for (let i = 0; i < 300_000; i++) peer.send(frame)
    const done = new Promise<void>((resolve) =>
      peer.socket.send('{"jsonrpc":"2.0","method":"heartbeat","params":{}}', () => resolve()),
    )
    await done
    peer.socket.resume()
    await peer.closed(1013).catch(() => peer.closed(1006))
    expect(process.memoryUsage().rss - before).toBeLessThan(600 * 2 ** 20)
    expect(await world.stored(session)).toEqual([])
  }, 30_000)
})
