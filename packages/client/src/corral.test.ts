/** The SDK as its users have it, against the real server. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createSocketServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { newSessionId, type SessionId } from '@corral/protocol'
import { emptyTranscript, logEventOf, orderedMessages, reduce, type Transcript } from '@corral/transcript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestCloudAgent, testCloudAgent } from '../../server/src/testing/cloudAgent.ts'
import { CorralCallError } from './callError.ts'
import { type Corral, createCorral } from './corral.ts'
import { startProxy } from './testing/proxy.ts'

let server: TestCloudAgent
let corral: Corral
beforeAll(async () => {
  server = await testCloudAgent()
  corral = createCorral({ url: `${server.url}/`, apiKey: server.apiKey })
})
afterAll(() => server[Symbol.asyncDispose]())

async function portOf(listening: Pick<Server, 'address'>): Promise<number> {
  const address = listening.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

test('a session is named, shared and deleted by either of its ids', async () => {
  const id = await server.addSession()
  const { kiloSessionId } = await corral.call.getSession.query({ cloudAgentSessionId: id })
  await corral.rename(kiloSessionId, 'Chosen')
  expect((await corral.call.getSession.query({ cloudAgentSessionId: id })).title).toBe('Chosen')
  const { url } = await corral.share(id)
  expect(await corral.share(kiloSessionId)).toEqual({ url })
  const read = () => fetch(`${url}/metadata`).then(({ status }) => status)
  expect(await read()).toBe(200)
  await corral.unshare(id)
  expect(await read()).toBe(404)
  await corral.remove(id)
  await expect(corral.rename(id, 'Late')).rejects.toMatchObject({ reason: 'session_not_found' })
})

describe('a call', () => {
  test('has the types of the server, and answers', async () => {
    const id = await server.addSession()
    const session = await corral.call.getSession.query({ cloudAgentSessionId: id })
    expect(session.sessionId).toBe(id)
    const ack = await corral.call.sendMessage.mutate({ cloudAgentSessionId: id, prompt: 'And then?' })
    expect(ack.status).toBe('queued')
  })

  test('that is refused throws the reason and the sentence', async () => {
    const cloudAgentSessionId = newSessionId()
    const refused = corral.call.getSession.query({ cloudAgentSessionId })
    await expect(refused).rejects.toBeInstanceOf(CorralCallError)
    const there = { reason: 'session_not_found', message: 'There is no such session.', httpStatus: 404, isFinal: true }
    await expect(refused).rejects.toMatchObject(there)
    await expect(corral.exportSession(cloudAgentSessionId)).rejects.toMatchObject(there)
    const malformed = corral.call.sendMessage.mutate({ cloudAgentSessionId, prompt: '' })
    await expect(malformed).rejects.toMatchObject({ reason: 'invalid_input', details: [{ path: 'prompt' }] })
    const stranger = createCorral({ url: server.url, apiKey: 'nobody' })
    await expect(stranger.call.listSessions.query({})).rejects.toMatchObject({ reason: 'unauthorized' })
  })

  test('to a server that is not there says so, with the cause', async () => {
    const dead = createCorral({ url: 'http://127.0.0.1:1', apiKey: 'k' })
    const there = { reason: 'unreachable', httpStatus: null, isFinal: false }
    const sentence = expect.stringMatching(
      /^The server at http:\/\/127\.0\.0\.1:1 did not answer: .*(bad port|ECONNREFUSED)/,
    )
    await expect(dead.call.health.query()).rejects.toMatchObject({ ...there, message: sentence })
    await expect(dead.exportSession(newSessionId())).rejects.toMatchObject({ ...there, message: sentence })
  })

  test('to something that is no Corral says so', async () => {
    const page = createServer((_request, response) => response.writeHead(502).end('<h1>Bad gateway</h1>'))
    page.listen(0, '127.0.0.1')
    await once(page, 'listening')
    const other = createCorral({ url: `http://127.0.0.1:${await portOf(page)}`, apiKey: 'k' })
    await expect(other.call.health.query()).rejects.toMatchObject({ reason: 'unreachable' })
    await expect(other.exportSession(newSessionId())).rejects.toMatchObject({ reason: 'unreachable' })
    page.close()
  })
})

describe('a live transcript', () => {
  const kilocode = (type: string, properties: object) => ({
    type: 'kilocode' as const,
    data: JSON.stringify({ type, properties }),
  })
  const partOf = (text: string, more: object = {}) =>
    kilocode('message.part.updated', {
      part: { id: 'p', sessionID: 'ses_1', messageID: 'm', type: 'text', text, time: { start: 1, ...more } },
    })
  const info = { id: 'm', sessionID: 'ses_1', role: 'assistant', time: { created: 1 } }
  const opening = [kilocode('message.updated', { info }), partOf('')]
  const delta = (text: string) =>
    kilocode('message.part.delta', { sessionID: 'ses_1', messageID: 'm', partID: 'p', field: 'text', delta: text })

  const append = (session: SessionId, events: ReturnType<typeof kilocode>[]) =>
    server.database.transaction((tx) => server.log.appendIn(tx, session, events))
  const answer = (transcript: Transcript | null) =>
    orderedMessages(transcript ?? emptyTranscript)
      .map(({ parts }) => parts.map((part) => part.text).join(''))
      .at(-1)

  function watch(session: SessionId, url: string) {
    const leaving = new AbortController()
    const seen: Transcript[] = []
    const over = (async () => {
      const live = createCorral({ url, apiKey: server.apiKey }).transcript(session, { signal: leaving.signal })
      for await (const transcript of live) seen.push(transcript)
    })()
    return {
      seen,
      shows: (text: string) => expect.poll(() => answer(seen.at(-1) ?? null), { timeout: 10_000 }).toBe(text),
      async leave() {
        leaving.abort()
        await over
      },
    }
  }

  test('begins complete and grows', async () => {
    const session = await server.addSession()
    await append(session, [...opening, delta('Hel'), delta('lo')])
    const viewer = watch(session, server.url)
    await viewer.shows('Hello')
    expect(answer(viewer.seen[0] ?? null)).toBe('Hello')
    await append(session, [delta(', wor'), delta('ld')])
    await viewer.shows('Hello, world')
    await append(session, [partOf('Hello, world!', { end: 2 }), delta('?')])
    await viewer.shows('Hello, world!')
    const numbers = viewer.seen.map(({ seq }) => seq)
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
    await viewer.leave()
  })

  test('is what the log says, though the connection was lost', async () => {
    await using proxy = await startProxy(server.url)
    const session = await server.addSession()
    await append(session, opening)
    const viewer = watch(session, proxy.url)
    await viewer.shows('')
    for (let i = 0; i < 40; i++) {
      if (i % 20 === 10) proxy.cut()
      await append(session, [delta(`${i} `)])
    }
    await viewer.shows(Array.from({ length: 40 }, (_, i) => `${i} `).join(''))
    let expected = emptyTranscript
    for await (const frames of server.log.replay(session, { after: 0, upTo: await server.log.lastSeq(session) })) {
      expected = reduce(
        expected,
        frames.map(({ text }) => logEventOf(JSON.parse(text))),
      )
    }
    expect(viewer.seen.at(-1)).toEqual(expected)
    await viewer.leave()
  })

  test('begins anew with a log that was replaced', async () => {
    await using proxy = await startProxy(server.url)
    const session = await server.addSession()
    const viewer = watch(session, proxy.url)
    await viewer.shows('Say hello')
    await server.replaceHistory(session)
    const before = viewer.seen.length
    proxy.cut()
    await expect.poll(() => viewer.seen.length).toBeGreaterThan(before)
    expect(viewer.seen.at(-1)).toEqual(viewer.seen.at(before - 1))
    expect(viewer.seen.at(-1)?.messages).not.toBe(viewer.seen.at(before - 1)?.messages)
    await viewer.leave()
  })

  test('agrees with the export', async () => {
    const session = await server.addSession()
    const viewer = watch(session, server.url)
    await viewer.shows('Say hello')
    const exported = await corral.exportSession(session)
    const [{ message, parts } = { message: null, parts: [] }] = orderedMessages(viewer.seen.at(-1) ?? emptyTranscript)
    expect(exported.messages).toEqual([{ info: message?.info, parts }])
    await viewer.leave()
  })
})

describe('after an abort', () => {
  test('nothing is left that would keep a process alive', async () => {
    const silent = createSocketServer(() => undefined)
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const silentUrl = `http://127.0.0.1:${await portOf(silent)}`
    const main = fileURLToPath(new URL('testing/abortAll.ts', import.meta.url))
    const args = [main, server.apiKey, await server.addSession(), server.url, silentUrl, 'http://127.0.0.1:1']
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 15_000 })
    expect(Number(stdout)).toBeLessThan(1_000)
    silent.close()
  })
})
