/** A conversation on the page, against the real server: what it shows is what the log says. */
import { newSessionId, type SessionId } from '@corral/protocol'
import { emptyTranscript, logEventOf, reduce, type Transcript } from '@corral/transcript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestCloudAgent, testCloudAgent } from '../../../server/src/testing/cloudAgent.ts'
import { createCorral } from '../corral.ts'
import { startProxy } from '../testing/proxy.ts'

let server: TestCloudAgent
beforeAll(async () => {
  server = await testCloudAgent()
})
afterAll(() => server[Symbol.asyncDispose]())

type Event = { type: 'kilocode'; entityId?: string; data: string }
const kilocode = (type: string, properties: object, entityId?: string): Event => ({
  type: 'kilocode',
  ...(entityId !== undefined && { entityId }),
  data: JSON.stringify({ type, properties }),
})
const message = (sessionID: string, id: string) =>
  kilocode('message.updated', { info: { id, sessionID, role: 'assistant', time: { created: 1 } } })
const text = (sessionID: string, messageID: string, said: string) =>
  kilocode(
    'message.part.updated',
    { part: { id: `p_${messageID}`, sessionID, messageID, type: 'text', text: said } },
    `p_${messageID}`,
  )
const delta = (sessionID: string, messageID: string, said: string) =>
  kilocode(
    'message.part.delta',
    { sessionID, messageID, partID: `p_${messageID}`, field: 'text', delta: said },
    `p_${messageID}`,
  )

const append = (session: SessionId, events: Event[]) =>
  server.database.transaction((tx) => server.log.appendIn(tx, session, events))
const rootOf = async (session: SessionId) => (await server.sessions.access(server.caller, session)).agentSessionId

async function logged(session: SessionId): Promise<Transcript> {
  const upTo = await server.log.lastSeq(session)
  const frames = await Array.fromAsync(server.log.replay(session, { after: 0, upTo }))
  return reduce(
    emptyTranscript,
    frames.flat().map((frame) => logEventOf(JSON.parse(frame.text))),
  )
}

function watch(session: SessionId, url = server.url) {
  const conversation = createCorral({ url, apiKey: server.apiKey }).conversation(session)
  const leave = conversation.subscribe(() => {})
  const picture = () => {
    const state = conversation.state()
    return state.phase === 'open' ? state.picture : null
  }
  return {
    conversation,
    leave,
    picture,
    /** As far as the log has come now. */
    async isCurrent() {
      const last = await server.log.lastSeq(session)
      await expect.poll(() => picture()?.transcript.seq).toBe(last)
    },
  }
}

describe('a conversation', () => {
  test('opens with its newest messages, and reads on backwards while it grows', async () => {
    const session = await server.addSession()
    const root = await rootOf(session)
    const ids = Array.from({ length: 230 }, (_, i) => `m${i}`)
    await append(
      session,
      ids.flatMap((id) => [message(root, id), text(root, id, id)]),
    )
    const { conversation, picture, leave, isCurrent } = watch(session)
    await isCurrent()
    expect(picture()?.transcript.messages.size).toBe(100)
    const older = [conversation.read(root), conversation.read(root)]
    for (const word of ['and', ' so', ' on']) await append(session, [delta(root, 'm229', word)])
    await Promise.all(older)
    await conversation.read(root)
    await isCurrent()
    expect(picture()?.transcript).toEqual(await logged(session))
    expect(picture()?.reach.get(root)).toEqual({ before: null })
    leave()
  })

  test("keeps a sub-agent's own conversation only when it was read", async () => {
    const session = await server.addSession()
    const root = await rootOf(session)
    await append(session, [
      message(root, 'r'),
      text(root, 'r', ''),
      message('ses_child', 'c'),
      text('ses_child', 'c', 'He'),
    ])
    const { conversation, picture, leave, isCurrent } = watch(session)
    await append(session, [delta('ses_child', 'c', 'l')])
    await isCurrent()
    expect(picture()?.transcript.messages.has('c')).toBe(false)
    const reading = conversation.read('ses_child')
    await append(session, [delta('ses_child', 'c', 'l')])
    await reading
    await append(session, [delta('ses_child', 'c', 'o')])
    await isCurrent()
    expect(picture()?.transcript).toEqual(await logged(session))
    expect(picture()?.transcript.parts.get('c')?.get('p_c')?.part.text).toBe('Hello')
    leave()
  })

  test('is what the log says, though the connection was lost in the middle of a word', async () => {
    await using proxy = await startProxy(server.url)
    const session = await server.addSession()
    const root = await rootOf(session)
    await append(session, [message(root, 'm'), text(root, 'm', '')])
    const { conversation, picture, leave, isCurrent } = watch(session, proxy.url)
    await isCurrent()
    for (const letters of ['con', 'nec', 'tion']) {
      await append(session, [delta(root, 'm', letters)])
      proxy.cut()
    }
    await isCurrent()
    expect(picture()?.transcript).toEqual(await logged(session))
    await expect.poll(conversation.state).toMatchObject({ link: 'live' })
    leave()
  })

  test('knows what is asked, and what became of it', async () => {
    const session = await server.addSession()
    const root = await rootOf(session)
    const { picture, leave, isCurrent } = watch(session)
    // Of what was asked before it opened there are rows, which this log alone does not have.
    await isCurrent()
    await append(session, [
      kilocode('question.asked', { id: 'que_1', sessionID: root, questions: [{ question: 'Which?', options: [] }] }),
      kilocode('permission.asked', { id: 'per_1', sessionID: root, permission: 'bash', patterns: ['ls'] }),
    ])
    await isCurrent()
    expect(picture()?.asks.get('que_1')).toMatchObject({ kind: 'question', state: 'open' })
    await append(session, [
      kilocode('question.replied', { sessionID: root, requestID: 'que_1', answers: [['This']], by: 'user' }),
      kilocode('permission.replied', { sessionID: root, requestID: 'per_1', reply: 'reject', by: 'end' }),
    ])
    await isCurrent()
    expect(picture()?.asks.get('que_1')).toMatchObject({ state: 'answered', answer: { answers: [['This']] } })
    expect(picture()?.asks.get('per_1')).toMatchObject({ state: 'withdrawn', answer: null })
    leave()
  })

  test('begins anew when the history is another one', async () => {
    await using proxy = await startProxy(server.url)
    const session = await server.addSession()
    const { picture, leave, isCurrent } = watch(session, proxy.url)
    await isCurrent()
    const before = picture()?.logId
    await server.replaceHistory(session)
    proxy.cut()
    await expect.poll(() => picture()?.logId).not.toBe(before)
    await isCurrent()
    leave()
  })

  test('that is not there says so', async () => {
    const { conversation, leave } = watch(newSessionId())
    await expect.poll(conversation.state).toMatchObject({ phase: 'ended', error: { reason: 'session_not_found' } })
    leave()
  })
})
