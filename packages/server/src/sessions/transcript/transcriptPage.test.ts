/** Pages of a transcript, held against the reducer over the same log. */
import { newExecutionId, type SessionId, type TranscriptPage } from '@corral/protocol'
import { emptyTranscript, type LogEvent, logEventOf, reduce, type Transcript } from '@corral/transcript'
import { eq } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type SentEvent, sentEvents } from '../../../../transcript/src/testing/randomLog.ts'
import { execution, session } from '../../database/schema.ts'
import { addSession, type LogUnderTest, openLog } from '../../testing/log.ts'
import { type TestDatabase, testDatabase } from '../../testing/postgres.ts'
import { applyTranscript } from './applyTranscript.ts'
import { readTranscriptPage, type WhichPage } from './transcriptPage.ts'

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

async function ownerOf(id: SessionId) {
  const [owner] = await it.database.orm.select().from(session).where(eq(session.id, id))
  if (!owner) throw new Error(`there is no session ${id}`)
  return owner
}
const page = async (id: SessionId, which: WhichPage) => readTranscriptPage(it.database.orm, await ownerOf(id), which)

const aboutPart = z.object({ properties: z.object({ partID: z.string() }) })

const append = (id: SessionId, events: readonly SentEvent[]) =>
  it.database.transaction((tx) =>
    it.log.appendIn(
      tx,
      id,
      events.map(({ type, executionId, data }) => ({
        ...{ type, executionId, data: JSON.stringify(data) },
        entityId: aboutPart.safeParse(data).data?.properties.partID,
      })),
    ),
  )

async function logOf(id: SessionId, after = 0): Promise<LogEvent[]> {
  const frames = await Array.fromAsync(it.log.replay(id, { after, upTo: await it.log.lastSeq(id) }))
  return frames.flat().map(({ text }) => logEventOf(JSON.parse(text)))
}

const transcriptOf = ({ messages, seq }: TranscriptPage): Transcript => ({
  seq,
  messages: new Map(
    messages.map(({ info, position, executionId }) => [info.id, { info, position, executionId }] as const),
  ),
  parts: new Map(
    messages.flatMap(({ info, parts }) =>
      parts.length > 0 ? [[info.id, new Map(parts.map((part) => [part.part.id, part]))]] : [],
    ),
  ),
})

const said = (
  sessionID: string,
  id: string,
  executionId?: SentEvent['executionId'],
  role = 'assistant',
): SentEvent[] => [
  {
    type: 'kilocode',
    ...(executionId && { executionId }),
    data: { type: 'message.updated', properties: { info: { id, sessionID, role, time: { created: 1 } } } },
  },
  {
    type: 'kilocode',
    ...(executionId && { executionId }),
    data: {
      type: 'message.part.updated',
      properties: { part: { id: `prt_${id}`, sessionID, messageID: id, type: 'text', text: id } },
    },
  },
]
const ids = ({ messages }: TranscriptPage) => messages.map(({ info }) => info.id)

describe('a page of a transcript', () => {
  test('goes on with the log from its number: nothing is missing, nothing comes twice', async () => {
    await fc.assert(
      fc.asyncProperty(sentEvents, fc.nat(60), fc.integer({ min: 1, max: 4 }), async (events, cut, limit) => {
        const id = await addSession(it.database)
        await append(id, events.slice(0, cut))
        const read = await page(id, { limit, agentSessionId: 'ses_root' })
        await append(id, events.slice(cut))
        const went = reduce(transcriptOf(read), await logOf(id, read.seq))
        const whole = reduce(emptyTranscript, await logOf(id))
        expect(went.seq).toBe(whole.seq)
        for (const messageId of ids(read)) {
          expect(went.messages.get(messageId)).toEqual(whole.messages.get(messageId))
          expect(went.parts.get(messageId)).toEqual(whole.parts.get(messageId))
        }
      }),
      { numRuns: 20 },
    )
  }, 60_000)

  test('is followed by the page before it, down to the beginning', async () => {
    const id = await addSession(it.database)
    const { agentSessionId } = await ownerOf(id)
    await append(
      id,
      ['one', 'two', 'three', 'four', 'five'].flatMap((word) => said(agentSessionId, word)),
    )
    const newest = await page(id, { limit: 2 })
    expect(ids(newest)).toEqual(['four', 'five'])
    const middle = await page(id, { limit: 2, before: newest.before ?? 0 })
    expect(ids(middle)).toEqual(['two', 'three'])
    const oldest = await page(id, { limit: 2, before: middle.before ?? 0 })
    expect([ids(oldest), oldest.before]).toEqual([['one'], null])
  })

  test("has no sub-agent's messages; those are a conversation of their own", async () => {
    const id = await addSession(it.database)
    const { agentSessionId } = await ownerOf(id)
    await append(id, [...said(agentSessionId, 'root'), ...said('ses_child', 'child')])
    expect(ids(await page(id, { limit: 10 }))).toEqual(['root'])
    const child = await page(id, { limit: 10, agentSessionId: 'ses_child' })
    expect([ids(child), child.events]).toEqual([['child'], []])
  })

  test('tells of the turn that it begins in, however long ago that began', async () => {
    const id = await addSession(it.database)
    const { agentSessionId } = await ownerOf(id)
    const executionId = newExecutionId()
    const asked = { executionId, messageId: 'msg_asked', partId: 'prt_asked', agentSessionId, text: 'Do it' }
    const [queuedSeq = 0] = await append(id, [
      { type: 'queued', executionId, data: asked },
      { type: 'started', executionId, data: { executionId } },
    ])
    await it.database.orm.insert(execution).values({
      ...{ id: executionId, sessionId: id, queuedSeq, prompt: 'Do it', messageId: 'msg_asked', partId: 'prt_asked' },
      request: { mode: 'build', model: 'scripted/demo', autoCommit: false, condenseOnComplete: false },
    })
    await append(
      id,
      ['one', 'two', 'three'].flatMap((word) => said(agentSessionId, word, executionId)),
    )
    const newest = await page(id, { limit: 1 })
    expect(ids(newest)).toEqual(['msg_asked', 'three'])
    expect(newest.events.map(({ streamEventType }) => streamEventType)).toEqual(['queued', 'started'])
    const before = await page(id, { limit: 10, before: newest.before ?? 0 })
    expect([ids(before), before.before]).toEqual([['msg_asked', 'one', 'two'], null])
  })
})
