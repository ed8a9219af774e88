import { newExecutionId, newSessionId, type SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { event, usedTicket } from '../../database/schema.ts'
import { answerWithoutUpgrade } from '../webSocketUpgrade.ts'
import { testStream, type Watching } from './testStream.ts'

let face: Awaited<ReturnType<typeof testStream>>
beforeAll(async () => {
  face = await testStream()
})
afterAll(() => face[Symbol.asyncDispose]())

const eventIds = (watching: Watching) => watching.events().map((frame) => frame.eventId)
const sees = (watching: Watching, last: number) => expect.poll(() => eventIds(watching).at(-1)).toBe(last)
const isConnected = (watching: Watching) => expect.poll(() => watching.connected().length).toBe(1)
const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1)

describe('a viewer', () => {
  test('sees what there is, then `connected`, then what comes', async () => {
    const session = await face.addSession()
    await face.append(session, ['one', 'two'])
    const watching = await face.watch(session)
    await isConnected(watching)
    await face.append(session, ['three'])
    const last = await face.log.lastSeq(session)
    await sees(watching, last)
    expect(eventIds(watching)).toEqual(upTo(last))
    const place = watching.frames.findIndex((frame) => frame.streamEventType === 'connected')
    const [connected] = watching.connected()
    expect(watching.frames.map((frame) => frame.eventId)[place - 1]).toBe(connected?.data.lastEventId)
    expect(connected).toMatchObject({
      eventId: 0,
      sessionId: session,
      data: { status: 'busy', lastEventId: last - 1, logId: expect.any(String), queue: [{}], questions: [] },
    })
    const [, first] = watching.frames
    expect(first).toMatchObject({ sessionId: session, streamEventType: 'output', data: { content: 'one' } })
    watching.socket.close()
  })

  test('comes back after the last event that it saw', async () => {
    const session = await face.addSession()
    await face.append(session, ['one', 'two', 'three'])
    const watching = await face.watch(session, { fromId: '2' })
    await sees(watching, 4)
    expect(eventIds(watching)).toEqual([3, 4])
    watching.socket.close()
  })

  test('may leave out the replay', async () => {
    const session = await face.addSession()
    await face.append(session, ['one'])
    const watching = await face.watch(session, { replay: 'false' })
    await isConnected(watching)
    await face.append(session, ['two'])
    await sees(watching, 3)
    expect(watching.frames.map((frame) => frame.eventId)).toEqual([0, 3])
    watching.socket.close()
  })

  test('may take many events in one frame', async () => {
    const session = await face.addSession()
    await face.append(
      session,
      Array.from({ length: 500 }, (_, i) => `line ${i}`),
    )
    const watching = await face.watch(session, { batch: 'true' })
    await sees(watching, 501)
    await isConnected(watching)
    expect(eventIds(watching)).toEqual(upTo(501))
    expect(watching.texts.length).toBeLessThan(10)
    expect(watching.texts.every((text) => text.startsWith('['))).toBe(true)
    watching.socket.close()
  })

  test('sees only the types, executions and times that it asked for, replayed and live', async () => {
    const session = await face.addSession()
    const { executionId } = await face.sessions.send(face.caller, session, { prompt: 'And then?' })
    await face.append(session, ['one'])
    const queued = await face.watch(session, { eventTypes: 'queued,complete' })
    const second = await face.watch(session, { executionIds: executionId })
    const later = await face.watch(session, { startTime: String(Date.now() + 60_000) })
    for (const watching of [queued, second, later]) await isConnected(watching)
    const third = await face.sessions.send(face.caller, session, { prompt: 'And then?' })
    await sees(queued, 4)
    await face.append(session, ['live'])
    expect(eventIds(queued)).toEqual([1, 2, 4])
    expect(second.events().map((frame) => frame.executionId)).toEqual([executionId])
    expect(eventIds(later)).toEqual([])
    expect(third.executionId).not.toBe(executionId)
    for (const { socket } of [queued, second, later]) socket.close()
  })

  test('with a past end gets the replay, `connected`, and a clean close', async () => {
    const session = await face.addSession()
    await face.append(session, ['one', 'two'])
    await face.database.orm
      .update(event)
      .set({ at: new Date('2026-01-01T00:00:00Z') })
      .where(eq(event.seq, 2))
    const watching = await face.watch(session, { endTime: '2026-01-01T01:00:00+01:00' })
    expect(await watching.closed).toBe(1000)
    expect(watching.frames.map((frame) => frame.eventId)).toEqual([2, 0])
  })

  test('with an end to come is closed when it has come, with all that is before it', async () => {
    const session = await face.addSession()
    const end = Date.now() + 300
    const watching = await face.watch(session, { endTime: String(end) })
    await isConnected(watching)
    await face.append(session, ['before'])
    await expect.poll(() => Date.now()).toBeGreaterThan(end)
    await face.append(session, ['after'])
    expect(await watching.closed).toBe(1000)
    expect(eventIds(watching)).toEqual([1, 2])
  })

  test('that joins while events come sees each once, in order, with `connected` at its one place', async () => {
    const viewer = fc.record({ cuts: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 3 }), batch: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 3, maxLength: 12 }),
        fc.array(viewer, { minLength: 1, maxLength: 4 }),
        async (commits, viewers) => {
          const session = await face.addSession()
          const last = 1 + commits.reduce((sum, size) => sum + size, 0)
          const writing = (async () => {
            for (const size of commits)
              await face.append(
                session,
                Array.from({ length: size }, () => 'line'),
              )
          })()
          await Promise.all(
            viewers.map(async ({ cuts, batch }) => {
              const seen: number[] = []
              for (const cut of [...cuts, last]) {
                const fromId = seen.at(-1) ?? 0
                const until = Math.min(last, fromId + cut)
                const watching = await face.watch(session, { fromId: String(fromId), batch: String(batch) })
                await isConnected(watching)
                await expect.poll(() => eventIds(watching).at(-1) ?? fromId).toBeGreaterThanOrEqual(until)
                watching.socket.terminate()
                const place = watching.frames.findIndex((frame) => frame.eventId === 0)
                const head = watching.connected()[0]?.data.lastEventId ?? 0
                const ids = eventIds(watching)
                expect(ids.slice(0, place)).toEqual(ids.filter((id) => id <= head))
                expect(ids.slice(0, place).at(-1) ?? fromId).toBe(head)
                seen.push(...ids)
              }
              expect(seen).toEqual(upTo(last))
            }),
          )
          await writing
        },
      ),
      { numRuns: 15 },
    )
  }, 60_000)

  test('is told to come back when the log cannot be read', async () => {
    await using own = await testStream()
    const session = await own.addSession()
    await own.database.pool.query('alter table event rename column data to elsewhere')
    const watching = await own.watch(session)
    expect(await watching.closed).toBe(1011)
  })

  test('that says anything is closed', async () => {
    const watching = await face.watch(await face.addSession())
    watching.socket.send('hello')
    expect(await watching.closed).toBe(1008)
  })

  test('is told when its session is deleted', async () => {
    const session = await face.addSession()
    const [one, two] = [await face.watch(session), await face.watch(session)]
    const other = await face.watch(await face.addSession())
    await isConnected(one)
    await face.sessions.remove(face.caller, session)
    expect(await Promise.all([one.closed, two.closed])).toEqual([4404, 4404])
    expect(other.socket.readyState).toBe(other.socket.OPEN)
    other.socket.close()
  })

  test('that reads nothing holds up nobody, and gets everything when it reads again', async () => {
    const session = await face.addSession()
    const [slow, quick] = [await face.watch(session), await face.watch(session)]
    await isConnected(slow)
    slow.socket.pause()
    const before = process.memoryUsage().rss
    for (let i = 0; i < 40; i++) await face.append(session, ['x'.repeat(1_000_000)])
    await sees(quick, 41)
    expect(process.memoryUsage().rss - before).toBeLessThan(400_000_000)
    expect(eventIds(slow).length).toBeLessThan(20)
    slow.socket.resume()
    await sees(slow, 41)
    expect(eventIds(slow)).toEqual(upTo(41))
    slow.socket.close()
    quick.socket.close()
  })
})

describe('a ticket', () => {
  const used = async () => (await face.database.orm.select().from(usedTicket)).length

  test('works once', async () => {
    const session = await face.addSession()
    const query = { cloudAgentSessionId: session, ticket: await face.ticket(session) }
    const [one, two] = await Promise.all([face.dial(query), face.dial(query)])
    const opened = [one, two].filter((answer) => 'socket' in answer)
    expect(opened).toHaveLength(1)
    expect([one, two].filter((answer) => 'status' in answer)).toMatchObject([{ status: 401 }])
    opened[0]?.socket.close()
  })

  test('may travel as a subprotocol, and is not sent back', async () => {
    const session = await face.addSession()
    const protocols = ['corral.v1', `corral.ticket.${await face.ticket(session)}`]
    const watching = await face.dial({ cloudAgentSessionId: session }, { protocols })
    if ('status' in watching) throw new Error('refused')
    expect(watching.protocol()).toBe('corral.v1')
    watching.socket.close()
  })

  test('in two ways at once, twice, or without our subprotocol is refused', async () => {
    const session = await face.addSession()
    const ticket = await face.ticket(session)
    const carried = `corral.ticket.${ticket}`
    const query = { cloudAgentSessionId: session }
    expect(await face.dial({ ...query, ticket }, { protocols: ['corral.v1', carried] })).toMatchObject({
      status: 400,
      body: { error: 'invalid_parameter', parameter: 'ticket' },
    })
    expect(await face.dial(query, { protocols: ['corral.v1', carried, `${carried}x`] })).toMatchObject({ status: 400 })
    expect(await face.dial(query, { protocols: [carried] })).toMatchObject({ status: 400 })
  })

  test('that is absent, invalid or expired is refused', async () => {
    const session = await face.addSession()
    const refused = { status: 401, body: { error: 'ticket_refused' } }
    expect(await face.dial({ cloudAgentSessionId: session })).toMatchObject(refused)
    expect(await face.dial({ cloudAgentSessionId: session, ticket: 'abc' })).toMatchObject(refused)
    const forged = `${(await face.ticket(session)).slice(0, -4)}AAAA`
    expect(await face.dial({ cloudAgentSessionId: session, ticket: forged })).toMatchObject(refused)
  })

  test('of another session is refused, whether that exists or not', async () => {
    const ticket = await face.ticket(await face.addSession())
    for (const session of [await face.addSession(), newSessionId()]) {
      expect(await face.dial({ cloudAgentSessionId: session, ticket })).toMatchObject({
        status: 403,
        body: { error: 'ticket_mismatch' },
      })
    }
  })

  test('of a user whose access is gone is refused like that of a session that never was', async () => {
    const session = await face.addSession()
    const stranger = await face.newUser()
    const foreign = await face.dial({
      cloudAgentSessionId: session,
      ticket: await face.ticket(session, stranger.userId),
    })
    const never = newSessionId()
    const nothing = await face.dial({ cloudAgentSessionId: never, ticket: await face.ticket(never) })
    expect(foreign).toEqual(nothing)
    expect(foreign).toMatchObject({ status: 404, body: { error: 'session_not_found' } })
  })

  test('is not used up by a request that is refused', async () => {
    const session = await face.addSession()
    const before = await used()
    const query = { cloudAgentSessionId: session, ticket: await face.ticket(session) }
    await face.dial({ ...query, fromId: '99' })
    await face.dial({ ...query, executionIds: newExecutionId() })
    await face.dial({ ...query, gossip: '1' })
    await face.dial(query, { origin: 'https://elsewhere.example' })
    await face.dial({ ...query, cloudAgentSessionId: newSessionId() })
    expect(await used()).toBe(before)
    const watching = await face.dial(query)
    expect(watching).toHaveProperty('socket')
    if ('socket' in watching) watching.socket.close()
  })
})

describe('before the upgrade', () => {
  let session: SessionId
  beforeAll(async () => {
    session = await face.addSession()
  })
  const execution = newExecutionId()

  test.each([
    ['cloudAgentSessionId', ''],
    ['cloudAgentSessionId', 'cloudAgentSessionId=agent_1'],
    ['cloudAgentSessionId', 'cloudAgentSessionId=AGENT'],
    ['fromId', 'S&fromId=-1'],
    ['fromId', 'S&fromId=1.5'],
    ['fromId', 'S&fromId='],
    ['fromId', 'S&fromId=9999999999999999999'],
    ['fromId', 'S&fromId=1&fromId=1'],
    ['eventTypes', 'S&eventTypes='],
    ['eventTypes', 'S&eventTypes=output,gossip'],
    ['eventTypes', 'S&eventTypes=connected'],
    ['executionIds', 'S&executionIds=exec_1'],
    ['executionIds', `S&executionIds=${Array.from({ length: 51 }, () => execution).join(',')}`],
    ['executionIds', `S&executionIds=${execution}&ticket=T`],
    ['startTime', 'S&startTime=yesterday'],
    ['startTime', 'S&startTime=2026-01-01T00:00:00'],
    ['startTime', 'S&startTime=8640000000000001'],
    ['endTime', 'S&endTime=-5'],
    ['endTime', 'S&startTime=2000&endTime=1000'],
    ['replay', 'S&replay=yes'],
    ['replay', 'S&replay=false&fromId=1'],
    ['batch', 'S&batch=1'],
    ['sort', 'S&sort=up'],
    ['ticket', 'S&ticket='],
  ])('a bad %s is refused and named: %s', async (parameter, query) => {
    const filled = query
      .replace('S&', `cloudAgentSessionId=${session}&`)
      .replace('ticket=T', `ticket=${await face.ticket(session)}`)
    expect(await face.dial(filled)).toEqual({
      status: 400,
      body: { error: 'invalid_parameter', parameter, message: expect.stringContaining(parameter) },
    })
  })

  test('a cursor beyond the log is refused: the viewer starts from 0', async () => {
    const query = { cloudAgentSessionId: session, ticket: await face.ticket(session), fromId: '2' }
    expect(await face.dial(query)).toMatchObject({ status: 400, body: { error: 'cursor_ahead', parameter: 'fromId' } })
  })

  test('times may be RFC 3339 or milliseconds', async () => {
    const watching = await face.watch(session, { startTime: '2026-01-01T00:00:00.5+02:00', endTime: '4000000000000' })
    await isConnected(watching)
    watching.socket.close()
  })

  test('a request that is no WebSocket is refused', async () => {
    const response = await fetch(`${face.url.replace('ws:', 'http:')}/stream`, {
      headers: { connection: 'keep-alive' },
    })
    expect(response.status).toBe(404)
    const plain = answerWithoutUpgrade()
    expect([plain.status, (await plain.json()).error]).toEqual([426, 'upgrade_required'])
  })

  test('a page of another origin is refused; ours, and programs, are not', async () => {
    const query = async () => ({ cloudAgentSessionId: session, ticket: await face.ticket(session) })
    for (const origin of ['https://elsewhere.example', 'null', 'http://127.0.0.1:1']) {
      expect(await face.dial(await query(), { origin })).toMatchObject({
        status: 403,
        body: { error: 'origin_refused' },
      })
    }
    const ours = await face.dial(await query(), { origin: face.url.replace('ws:', 'http:') })
    expect(ours).toHaveProperty('socket')
    if ('socket' in ours) ours.socket.close()
  })
})

describe('a viewer that is there for long', () => {
  test('stays as long as it answers, and is let go when it does not', async () => {
    await using own = await testStream({ timers: { pingMs: 50, silenceMs: 250 } })
    const session = await own.addSession()
    const mute = await own.dial(
      { cloudAgentSessionId: session, ticket: await own.ticket(session) },
      { autoPong: false },
    )
    const watching = await own.watch(session)
    let pings = 0
    watching.socket.on('ping', () => pings++)
    expect('closed' in mute && (await mute.closed)).toBe(1006)
    await expect.poll(() => pings).toBeGreaterThan(10)
    expect(watching.socket.readyState).toBe(watching.socket.OPEN)
    watching.socket.close()
  })

  test('is told to come back when the server stops, and new ones are refused', async () => {
    await using own = await testStream()
    const session = await own.addSession()
    const watching = await own.watch(session)
    await isConnected(watching)
    const ticket = await own.ticket(session)
    await own.stream.close()
    expect(await watching.closed).toBe(1012)
    expect(await own.dial({ cloudAgentSessionId: session, ticket })).toMatchObject({
      status: 503,
      body: { error: 'unavailable' },
    })
  })
})
