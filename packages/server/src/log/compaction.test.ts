import type { EventsFrame, ExecutionId, SessionId } from '@corral/protocol'
import {
  emptyTranscript,
  type LogEvent,
  logEventOf,
  orderedMessages,
  reduce,
  type Transcript,
} from '@corral/transcript'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { applyTranscript } from '../sessions/transcript/applyTranscript.ts'
import { readTranscript } from '../sessions/transcript/readTranscript.ts'
import { addSession, type LogUnderTest, openLog } from '../testing/log.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'

let opened: TestDatabase
let it: LogUnderTest

beforeAll(async () => {
  opened = await testDatabase()
  it = await openLog(opened.pool, { sink: { apply: applyTranscript } })
})
afterAll(async () => {
  await it.log.close()
  await opened[Symbol.asyncDispose]()
})

const executionId: ExecutionId = 'exec_01JZZZZZZZZZZZZZZZZZZZZZZZ'
type Sent = EventsFrame['events'][number]

const info = (messageId: string) => ({ id: messageId, sessionID: 'ses_a', role: 'assistant', time: { created: 1 } })
const kilocode = (type: string, properties: object): Sent => ({
  type: 'kilocode',
  executionId,
  data: { type, properties },
})
const events = {
  message: (m: string) => kilocode('message.updated', { info: info(m) }),
  whole: (m: string, p: string, text: string) =>
    kilocode('message.part.updated', { part: { id: p, sessionID: 'ses_a', messageID: m, type: 'text', text } }),
  delta: (m: string, p: string, text: string) =>
    kilocode('message.part.delta', { sessionID: 'ses_a', messageID: m, partID: p, field: 'text', delta: text }),
  removed: (m: string, p: string) => kilocode('message.part.removed', { sessionID: 'ses_a', messageID: m, partID: p }),
}

/** A few messages with a few parts: so few that everything happens to each of them. */
const anyEvent = fc
  .record({
    kind: fc.constantFrom('message', 'whole', 'delta', 'delta', 'delta', 'removed'),
    m: fc.constantFrom('msg_1', 'msg_2'),
    p: fc.constantFrom('1', '2'),
    text: fc.string({ maxLength: 8, unit: 'grapheme' }),
  })
  .map(({ kind, m, p, text }) => {
    // The same ids in both messages, as an agent may have them.
    const part = `prt_${p}`
    if (kind === 'message') return events.message(m)
    if (kind === 'whole') return events.whole(m, part, text)
    if (kind === 'removed') return events.removed(m, part)
    return events.delta(m, part, text)
  })

async function storedEvents(session: SessionId): Promise<LogEvent[]> {
  const upTo = await it.log.lastSeq(session)
  const read: LogEvent[] = []
  for await (const frames of it.log.replay(session, { after: 0, upTo })) {
    for (const { text } of frames) read.push(logEventOf(JSON.parse(text)))
  }
  return read
}

/** What a reader sees: messages that have come, and no numbers, which compaction may move. */
const content = (transcript: Transcript) =>
  orderedMessages(transcript).map(({ message: { info }, parts }) => ({ info, parts }))

const offer = (session: SessionId, from: number, sent: Sent[]) =>
  it.log.offer({ session, epoch: 1, from, events: sent })
const compact = (session: SessionId) =>
  it.database.transaction((tx) => it.log.compactIn(tx, { sessionId: session, executionId }))

describe('compaction of an execution', () => {
  test('applying the log from any cursor gives the same transcript, before and after', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyEvent, { minLength: 1, maxLength: 30 }), async (sent) => {
        const session = await addSession(it.database)
        await offer(session, 1, sent)
        const before = await storedEvents(session)
        const whole = content(reduce(emptyTranscript, before))
        await compact(session)
        const after = await storedEvents(session)
        expect(after.some(({ data }) => JSON.stringify(data).includes('message.part.delta'))).toBe(false)
        for (let cursor = 0; cursor <= before.length; cursor++) {
          const seen = reduce(emptyTranscript, before.slice(0, cursor))
          expect(content(reduce(seen, after))).toEqual(whole)
        }
        expect(content(await readTranscript(it.database.orm, session))).toEqual(whole)
        expect(await compact(session)).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  test('leaves numbers and lengths of the deltas on the update that holds their text', async () => {
    const session = await addSession(it.database)
    const { message, whole, delta } = events
    await offer(session, 1, [
      message('msg_1'),
      whole('msg_1', 'prt_a', ''),
      delta('msg_1', 'prt_a', 'Hel'),
      delta('msg_1', 'prt_a', 'lo'),
    ])
    expect(await compact(session)).toBe(2)
    const { rows } = await opened.pool.query(
      `select seq, deltas from event where deltas is not null and session_id = $1`,
      [session.slice('agent_'.length)],
    )
    expect(rows).toEqual([{ seq: 5, deltas: '[[3,3],[1,2]]' }])
  })

  test('goes on after deltas that came late', async () => {
    const session = await addSession(it.database)
    const { message, whole, delta } = events
    await offer(session, 1, [message('msg_1'), whole('msg_1', 'prt_a', 'A'), delta('msg_1', 'prt_a', 'B')])
    await compact(session)
    await offer(session, 4, [delta('msg_1', 'prt_a', 'C')])
    await compact(session)
    const texts = content(reduce(emptyTranscript, await storedEvents(session))).flatMap(({ parts }) =>
      parts.map(({ text }) => text),
    )
    expect(texts).toEqual(['ABC'])
  })
})
