/** The stream against the real server, over a network that is cut, frozen and shut. */
import { newSessionId, type SessionId } from '@corral/protocol'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestCloudAgent, testCloudAgent } from '../../server/src/testing/cloudAgent.ts'
import { createCalls } from './calls.ts'
import { createCorral } from './corral.ts'
import { createDoor } from './door.ts'
import { type FollowOptions, type FollowTimers, follow, type StreamBatch } from './follow.ts'
import { startProxy } from './testing/proxy.ts'

let server: TestCloudAgent
beforeAll(async () => {
  server = await testCloudAgent()
})
afterAll(() => server[Symbol.asyncDispose]())

const impatient: FollowTimers = { firstDelayMs: 4, longestDelayMs: 16, openMs: 1_000, silenceMs: 10_000 }
const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1)

function doorOf(session: SessionId, url: string) {
  const headers = { authorization: `Bearer ${server.apiKey}` }
  return createDoor({ url, headers, call: createCalls(url, headers) }, session)
}

/** Follows until it is left. */
function view(session: SessionId, url: string, options: FollowOptions = {}, timers: Partial<FollowTimers> = {}) {
  const leaving = new AbortController()
  const batches: StreamBatch[] = []
  const over = (async () => {
    const following = { signal: leaving.signal, ...options }
    for await (const batch of follow(doorOf(session, url), following, { ...impatient, ...timers })) batches.push(batch)
  })()
  // A refusal is looked at where it is awaited.
  over.catch(() => {})
  const seqs = () => batches.flatMap((batch) => (batch.kind === 'events' ? batch.events.map((e) => e.eventId) : []))
  return {
    batches,
    seqs,
    kinds: () => batches.map(({ kind }) => kind),
    sees: (last: number) => expect.poll(() => seqs().at(-1), { timeout: 10_000 }).toBe(last),
    isConnected: () => expect.poll(() => batches.some(({ kind }) => kind === 'connected')).toBe(true),
    over,
    async leave() {
      leaving.abort()
      await over
    },
  }
}

describe('a stream', () => {
  test('gives what there is, says that it is connected, and goes on with what comes', async () => {
    const session = await server.addSession()
    await server.append(session, ['one'])
    const viewer = view(session, server.url)
    await viewer.isConnected()
    await server.append(session, ['two', 'three'])
    await viewer.sees(4)
    expect(viewer.seqs()).toEqual(upTo(4))
    expect(viewer.kinds().slice(0, 2)).toEqual(['events', 'connected'])
    await viewer.leave()
  })

  test('begins after the number and has only the types that were asked for', async () => {
    const session = await server.addSession()
    await server.append(session, ['one', 'two'])
    const late = view(session, server.url, { from: 2 })
    await late.sees(3)
    expect(late.seqs()).toEqual([3])
    const queued = view(session, server.url, { eventTypes: ['queued'] })
    await queued.isConnected()
    expect(queued.seqs()).toEqual([1])
    await Promise.all([late.leave(), queued.leave()])
  })

  test.each<[string, FollowOptions]>([
    ['from is -1', { from: -1 }],
    ['from is 1.5', { from: 1.5 }],
    ['eventTypes is empty', { eventTypes: [] }],
  ])('refuses options that mean nothing: %s', async (sentence, options) => {
    await expect(view(newSessionId(), server.url, options).over).rejects.toThrow(sentence)
  })

  test('ends with the session', async () => {
    const session = await server.addSession()
    const viewer = view(session, server.url)
    await viewer.isConnected()
    await server.sessions.remove(server.caller, session)
    await expect(viewer.over).rejects.toMatchObject({
      reason: 'session_not_found',
      message: 'The session was deleted.',
    })
    expect(viewer.kinds()).not.toContain('disconnected')
  })

  test('of a session that is not there, or of another, ends at once', async () => {
    const stranger = await server.newUser()
    const owner = { userId: stranger.userId, botId: null, internal: false }
    for (const session of [newSessionId(), await server.addSession(owner)]) {
      await expect(view(session, server.url).over).rejects.toMatchObject({
        reason: 'session_not_found',
        httpStatus: 404,
      })
    }
  })

  test('ends when access has ended', async () => {
    await using own = await testCloudAgent({ timers: { pingMs: 30, silenceMs: 10_000 } })
    const input = { prompt: 'Hi', mode: 'code', model: 'scripted/demo', githubRepo: 'corral/sample' }
    const ofOrganization = { ...input, kilocodeOrganizationId: own.organizationId }
    const { cloudAgentSessionId } = await own.sessions.start(own.caller, ofOrganization)
    const { stream } = createCorral({ url: own.url, apiKey: own.apiKey })
    const over = (async () => {
      for await (const { kind } of stream(cloudAgentSessionId)) {
        if (kind === 'connected') await own.endMemberships(own.caller.userId)
      }
    })()
    await expect(over).rejects.toMatchObject({ message: 'Access to this session has ended.' })
  })
})

describe('a stream over a bad network', () => {
  test('has every event once and in order, wherever it is cut', async () => {
    await using proxy = await startProxy(server.url)
    let disconnections = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 15, size: 'max' }),
        // Answers with tickets are about 600 bytes, an event about 200: handshakes, frames and nothing at all are cut.
        fc.array(fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: 30_000 })), {
          minLength: 3,
          maxLength: 12,
          size: 'max',
        }),
        async (commits, cuts) => {
          const session = await server.addSession()
          // An idle connection of an earlier run has no limit of bytes.
          proxy.cut()
          proxy.cutAfter([...cuts])
          const viewer = view(session, proxy.url)
          for (const size of commits)
            await server.append(
              session,
              Array.from({ length: size }, () => 'line'),
            )
          const last = 1 + commits.reduce((sum, size) => sum + size, 0)
          await viewer.sees(last)
          expect(viewer.seqs()).toEqual(upTo(last))
          disconnections += viewer.kinds().filter((kind) => kind === 'disconnected').length
          await viewer.leave()
        },
      ),
      { numRuns: 10 },
    )
    expect(disconnections).toBeGreaterThan(10)
  }, 60_000)

  test('tries again for ever, less and less often, until there is a server', async () => {
    await using proxy = await startProxy(server.url)
    const session = await server.addSession()
    proxy.shut()
    const viewer = view(session, proxy.url, {}, { firstDelayMs: 16, longestDelayMs: 64 })
    await expect.poll(() => viewer.batches.length).toBeGreaterThan(5)
    const delays = viewer.batches.map((batch) => (batch.kind === 'disconnected' ? batch.retryInMs : 0))
    for (const [i, longest] of [16, 32, 64, 64, 64].entries()) {
      expect(delays[i]).toBeGreaterThanOrEqual(longest / 2)
      expect(delays[i]).toBeLessThanOrEqual(longest)
    }
    await proxy.open()
    await viewer.isConnected()
    proxy.cut()
    await expect.poll(() => viewer.kinds().filter((kind) => kind === 'connected').length).toBe(2)
    const afterwards = viewer.batches.slice(viewer.kinds().indexOf('connected'))
    expect(afterwards.find(({ kind }) => kind === 'disconnected')).toMatchObject({ retryInMs: expect.closeTo(12, -1) })
    expect(viewer.seqs()).toEqual([1])
    await viewer.leave()
  })

  test('goes on when its connection died and nobody told', async () => {
    await using proxy = await startProxy(server.url)
    const session = await server.addSession()
    const viewer = view(session, proxy.url, {}, { silenceMs: 500 })
    await viewer.isConnected()
    proxy.freezeStreams()
    await server.append(session, ['unheard'])
    await viewer.sees(2)
    expect(viewer.seqs()).toEqual([1, 2])
    expect(proxy.streams().opened).toBe(2)
    expect(viewer.kinds()).not.toContain('disconnected')
    await viewer.leave()
  })

  test('that has nothing to say is asked about, and left alone', async () => {
    await using proxy = await startProxy(server.url)
    const session = await server.addSession()
    let asked = 0
    const door = doorOf(session, proxy.url)
    const counting = { ...door, head: (signal: AbortSignal) => door.head(signal).finally(() => asked++) }
    const leaving = new AbortController()
    const stream = follow(counting, { signal: leaving.signal }, { ...impatient, silenceMs: 100 })
    for (let kind = ''; kind !== 'connected'; ) kind = (await stream.next()).value?.kind ?? 'connected'
    const next = stream.next()
    await expect.poll(() => asked).toBe(3)
    leaving.abort()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(proxy.streams().opened).toBe(1)
  })

  test('notices when the server has vanished as a whole', async () => {
    await using proxy = await startProxy(server.url)
    const viewer = view(await server.addSession(), proxy.url, {}, { silenceMs: 50, openMs: 200 })
    await viewer.isConnected()
    proxy.freezeStreams()
    proxy.shut()
    proxy.cut()
    await expect.poll(() => viewer.kinds()).toContain('disconnected')
    await viewer.leave()
  })
})

describe('a stream whose log is another one', () => {
  test('begins anew when its cursor is beyond the log', async () => {
    const session = await server.addSession()
    await server.append(session, ['one'])
    const viewer = view(session, server.url, { from: 7 })
    await viewer.isConnected()
    expect(viewer.kinds()).toEqual(['restarted', 'events', 'connected'])
    expect(viewer.seqs()).toEqual([1, 2])
    await viewer.leave()
  })

  test('begins anew, once, when it comes back to a history that was replaced', async () => {
    await using proxy = await startProxy(server.url)
    const session = await server.addSession()
    const viewer = view(session, proxy.url)
    await viewer.isConnected()
    await server.replaceHistory(session)
    proxy.cut()
    await expect.poll(() => viewer.kinds().at(-1)).toBe('connected')
    await expect.poll(() => viewer.kinds().filter((kind) => kind === 'connected').length).toBe(2)
    expect(viewer.kinds()).toEqual(['events', 'connected', 'disconnected', 'restarted', 'events', 'connected'])
    proxy.cut()
    await expect.poll(() => viewer.kinds().filter((kind) => kind === 'connected').length).toBe(3)
    expect(viewer.kinds().filter((kind) => kind === 'restarted').length).toBe(1)
    await viewer.leave()
  })
})

describe('a reader that takes its time', () => {
  test('has a bounded number of bytes waiting, and gets everything in the end', async () => {
    await using proxy = await startProxy(server.url)
    const session = await server.addSession()
    const leaving = new AbortController()
    const stream = follow(doorOf(session, proxy.url), { signal: leaving.signal }, impatient)
    const seqs: number[] = []
    const kinds: string[] = []
    const take = async () => {
      const { value } = await stream.next()
      kinds.push(value?.kind ?? 'end')
      if (value?.kind === 'events') seqs.push(...value.events.map(({ eventId }) => eventId))
    }
    await take()
    for (let i = 0; i < 30; i++) await server.append(session, ['x'.repeat(1_000_000)])
    await expect.poll(() => proxy.streams(), { timeout: 10_000 }).toEqual({ opened: 1, open: 0 })
    expect(proxy.bytesDown()).toBeLessThan(25_000_000)
    while (seqs.at(-1) !== 31) await take()
    expect(seqs).toEqual(upTo(31))
    // It was no loss of connection that a person should hear of.
    expect(kinds).not.toContain('disconnected')
    leaving.abort()
    await stream.return()
  }, 30_000)

  test('that leaves the loop closes the connection', async () => {
    await using proxy = await startProxy(server.url)
    const { stream } = createCorral({ url: proxy.url, apiKey: server.apiKey })
    for await (const { kind } of stream(await server.addSession())) if (kind === 'connected') break
    await expect.poll(() => proxy.streams()).toEqual({ opened: 1, open: 0 })
  })
})
