/** Pushes of a session that runs elsewhere, and what is then read of it. */
import { newAgentSessionId } from '@corral/protocol'
import { afterAll, describe, expect, test } from 'vitest'
import { expectRefusal, testFace } from '../cloud-agent/testFace.ts'
import { createPusher, messageItem, sessionItem, textItem } from './testIngest.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const { pool } = face.database
const alice = createPusher(face, face.operator.apiKey)

const conversation = (id: string) => [
  sessionItem(id),
  messageItem('msg_1', 'user'),
  textItem('msg_1', 'prt_1', 'Mend it'),
  messageItem('msg_2', 'assistant', { tokens: { input: 10, output: -3, cache: { read: -1, write: 0 } } }),
  textItem('msg_2', 'prt_2', 'Done.', { time: { start: 1, end: 2 } }),
]

async function lastSeq(id: string): Promise<number> {
  const { rows } = await pool.query<{ last_seq: number }>(
    'select last_seq from session_head join session on id = session_id where agent_session_id = $1',
    [id],
  )
  return rows[0]?.last_seq ?? -1
}

describe('a pushed session', () => {
  test('is created once, and then knows what was pushed', async () => {
    const id = newAgentSessionId()
    const created = await alice.post('/api/session', { sessionId: id })
    expect(created.json).toEqual({ id, ingestPath: `/api/session/${id}/ingest` })
    expect((await alice.post('/api/session', { sessionId: id })).json).toEqual(created.json)
    expect(await alice.export(id)).toMatchObject({ info: { id, title: '' }, messages: [] })

    expect(await alice.taken(id, conversation(id))).toEqual({ success: true, accepted: 5, unchanged: 0, skipped: [] })
    expect(await alice.export(id)).toMatchObject({
      info: { id, title: 'Mend the test', directory: '/home/alice/widgets', time: { created: 1, updated: 2 } },
      messages: [
        { info: { id: 'msg_1', role: 'user', sessionID: id }, parts: [{ text: 'Mend it', sessionID: id }] },
        {
          info: { id: 'msg_2', tokens: { input: 10, output: 0, cache: { read: 0, write: 0 } } },
          parts: [{ text: 'Done.', time: { start: 1, end: 2 } }],
        },
      ],
    })
    const page = await alice.page(id)
    expect(page.messages.map(({ info }) => info.id)).toEqual(['msg_1', 'msg_2'])
    expect(page).toMatchObject({ nextCursor: null, omittedItemCount: 0 })
  })

  test('is exported without parts that describe a passing state alone', async () => {
    const id = await alice.newSession()
    const metadata = { 'kilocode.lifecycle': 'transient' }
    await alice.taken(id, [
      messageItem('msg_1', 'assistant'),
      textItem('msg_1', 'prt_1', 'Initializing…', { synthetic: true, metadata }),
      { type: 'part', data: { id: 'prt_2', messageID: 'msg_1' } },
      textItem('msg_1', 'prt_3', 'It says "kilocode.lifecycle":"transient".'),
    ])
    const [message] = (await alice.export(id)).messages
    expect(message?.parts.map((part) => part.id)).toEqual(['prt_3'])
  })

  test('is not changed by what is stored already, however often it comes', async () => {
    const id = await alice.newSession()
    const items = conversation(id)
    const answers = await Promise.all(Array.from({ length: 10 }, () => alice.taken(id, items)))
    expect(answers.map(({ accepted }) => accepted).toSorted()).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 5])
    const seq = await lastSeq(id)
    expect(await alice.taken(id, items)).toMatchObject({ accepted: 0, unchanged: 5 })
    expect(await lastSeq(id)).toBe(seq)
    const { rows } = await pool.query(
      `select key from pushed_item join session on id = session_id where agent_session_id = $1`,
      [id],
    )
    expect(rows).toHaveLength(5)
  })

  test('takes the good items among bad ones, and says of each bad one why', async () => {
    const id = await alice.newSession()
    const items = [
      messageItem('msg_1', 'user'),
      { type: 'weather', data: {} },
      { type: 'message', data: { role: 'user' } },
      { type: 'message', data: { id: 'a/b' } },
      { type: 'message', data: { id: 'x'.repeat(129) } },
      { type: 'message', data: { id: 'nul\u0000' } },
      { type: 'part', data: { id: 'prt_1' } },
      { type: 'session', data: [] },
      { type: 'session_diff', data: {} },
      { type: 'model', data: [{}] },
      { type: 'kilo_meta', data: { platform: 'cli', gitUrl: 'x'.repeat(2_049) } },
      { type: 'session_close', data: { reason: 'bored' } },
      { type: 'session_status', data: { status: 'x'.repeat(65) } },
      { type: 'agent_notification', data: { id: 'n', message: 'x'.repeat(501) } },
      { type: 'session_pr_link', data: { platform: 'github' } },
      'nothing',
      null,
      textItem('msg_1', 'prt_1', 'nul \u0000 in text, and \\u0000 that is none'),
    ]
    const answer = await alice.taken(id, items)
    expect(answer.accepted).toBe(2)
    expect(answer.skipped.map(({ index }) => index)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1))
    expect(new Set(answer.skipped.map(({ reason }) => reason))).toEqual(new Set(['unknown_type', 'invalid_item']))
    const { messages } = await alice.export(id)
    expect(messages[0]?.parts[0]).toMatchObject({ text: 'nul \ufffd in text, and \\u0000 that is none' })
  })

  test('is refused what is no push, and changes nothing', async () => {
    const id = await alice.newSession()
    const seq = await lastSeq(id)
    const refused = async (body: string, query = '?v=2') =>
      face.request(`/api/session/${id}/ingest${query}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${face.operator.apiKey}` },
        body,
      })
    expectRefusal(await refused('{'), 'invalid_input')
    expectRefusal(await refused('{}'), 'invalid_input')
    expectRefusal(await refused('{"data":{}}'), 'invalid_input')
    expectRefusal(await refused('{"data":[]}', '?v=two'), 'invalid_input')
    expect((await refused('{"data":[]}', '?v=99')).status).toBe(200)
    expectRefusal(await refused(JSON.stringify({ data: Array(10_001).fill(null) })), 'body_too_large')
    const item = JSON.stringify(textItem('msg_1', 'prt_1', 'x'))
    const tooLarge = await refused(`{"data":[${item}],"pad":"${'x'.repeat(32 * 1024 * 1024)}"}`)
    expectRefusal(tooLarge, 'body_too_large')
    expect(tooLarge.json).toMatchObject({ success: false, error: 'body_too_large' })
    expect(await lastSeq(id)).toBe(seq)
    expectRefusal(await alice.post('/api/session', { sessionId: 'ses_short' }), 'invalid_session_id')
    expectRefusal(await alice.push('agent_1', []), 'invalid_session_id')
    expectRefusal(await alice.push(newAgentSessionId(), []), 'session_not_found')
  })
})
