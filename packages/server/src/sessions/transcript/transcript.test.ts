/** The transcript's tables, held against the reducer over the same log. */
import { type EventsFrame, newExecutionId, type SessionId } from '@corral/protocol'
import { emptyTranscript, type LogEvent, logEventOf, reduce, type Transcript } from '@corral/transcript'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SentEvent, sentEvents } from '../../../../transcript/src/testing/randomLog.ts'
import type { StoredEvent } from '../../log/types.ts'
import { addSession, delta, type LogUnderTest, openLog } from '../../testing/log.ts'
import { type TestDatabase, testDatabase } from '../../testing/postgres.ts'
import { applyTranscript } from './applyTranscript.ts'
import { readTranscript } from './readTranscript.ts'

let testing: TestDatabase
let it: LogUnderTest
beforeAll(async () => {
  testing = await testDatabase()
  it = await openLog(testing.pool, { sink: { apply: applyTranscript } })
})
afterAll(async () => {
  await it.log.close()
  await testing[Symbol.asyncDispose]()
})

const read = (session: SessionId) => readTranscript(it.database.orm, session)

async function logOf(session: SessionId): Promise<LogEvent[]> {
  const events: LogEvent[] = []
  for await (const frames of it.log.replay(session, { after: 0, upTo: await it.log.lastSeq(session) })) {
    for (const { text } of frames) events.push(logEventOf(JSON.parse(text)))
  }
  return events
}

/** Through both doors: one event that the server makes, or a frame of those that a supervisor sends. */
function createSender(session: SessionId) {
  let n = 0
  return async function send(batch: readonly SentEvent[]): Promise<void> {
    let frame: EventsFrame['events'] = []
    async function offer() {
      if (frame.length > 0) await it.log.offer({ session, epoch: 1, from: n + 1, events: frame })
      n += frame.length
      frame = []
    }
    for (const { type, executionId, data } of batch) {
      if (type !== 'queued') {
        frame.push({ type, executionId, data })
        continue
      }
      await offer()
      const queued = { type, executionId, data: JSON.stringify(data) }
      await it.database.transaction((tx) => it.log.appendIn(tx, session, [queued]))
    }
    await offer()
  }
}

describe('the tables of the transcript', () => {
  test('say what the reducer makes of the log, in whichever batches it came', async () => {
    const batchSizes = fc.infiniteStream(fc.integer({ min: 1, max: 25 }))
    await fc.assert(
      fc.asyncProperty(sentEvents, batchSizes, async (events, sizes) => {
        const session = await addSession(it.database)
        const send = createSender(session)
        for (let from = 0; from < events.length; ) {
          const batch = events.slice(from, from + sizes.next().value)
          await send(batch)
          from += batch.length
          expect(await read(session)).toEqual(reduce(emptyTranscript, await logOf(session)))
        }
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  test('can be gone on from with the log', async () => {
    await fc.assert(
      fc.asyncProperty(sentEvents, fc.nat(60), async (events, cut) => {
        const session = await addSession(it.database)
        const send = createSender(session)
        await send(events.slice(0, cut))
        const before = await read(session)
        await send(events.slice(cut))
        expect(reduce(before, await logOf(session))).toEqual(await read(session))
      }),
      { numRuns: 30 },
    )
  }, 60_000)

  test('say the same of one execution alone', async () => {
    const session = await addSession(it.database)
    const send = createSender(session)
    const [one, two] = [newExecutionId(), newExecutionId()]
    for (const [i, executionId] of [one, two].entries()) {
      const [messageID, partID] = [`msg_${i}`, `prt_${i}`]
      const info = { id: messageID, sessionID: 'ses_1', role: 'assistant', time: { created: 1 } }
      const part = { id: partID, sessionID: 'ses_1', messageID, type: 'text', text: 'Hel' }
      const growth = { sessionID: 'ses_1', messageID, partID, field: 'text', delta: 'lo' }
      await send([
        { type: 'kilocode', executionId, data: { type: 'message.updated', properties: { info } } },
        { type: 'kilocode', executionId, data: { type: 'message.part.updated', properties: { part } } },
        { type: 'kilocode', executionId, data: { type: 'message.part.delta', properties: growth } },
      ])
    }
    const transcript = await readTranscript(it.database.orm, session, two)
    expect([...transcript.messages.keys()]).toEqual(['msg_1'])
    expect(transcript.parts).toEqual(new Map([['msg_1', (await read(session)).parts.get('msg_1')]]))
    expect(transcript.parts.get('msg_1')?.get('prt_1')?.part.text).toBe('Hello')
    expect(await readTranscript(it.database.orm, session, newExecutionId())).toMatchObject({ messages: new Map() })
  })

  test('of a session that is not there are empty', async () => {
    expect(await read('agent_00000000-0000-4000-8000-000000000000')).toEqual(emptyTranscript satisfies Transcript)
  })

  test('are not touched by a batch of deltas alone', async () => {
    const session = await addSession(it.database)
    const batch = Array.from({ length: 500 }, (_, i): StoredEvent => {
      const data = JSON.stringify(delta('word ').data)
      return { type: 'kilocode', data, sessionId: session, seq: i + 1, at: new Date(0) }
    })
    await it.database.transaction(async (tx) => {
      const client = new Proxy(tx.client, {
        get() {
          throw new Error('a query was made')
        },
      })
      await applyTranscript({ ...tx, client }, batch)
    })
  })
})
