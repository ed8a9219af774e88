/** What is large: parts beside their rows, diffs that come again and again, a long transcript, many sessions. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type AgentSessionId, newAgentSessionId } from '@corral/protocol'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listQuery } from '../../sessions/reads/rows.ts'
import { bearer, expectRefusal, testFace } from '../cloud-agent/testFace.ts'
import { createPusher, messageItem, sessionItem, textItem } from './testIngest.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const { pool, orm } = face.database
const alice = createPusher(face, face.operator.apiKey)
const MiB = 1024 * 1024

async function blobBytes(id: AgentSessionId): Promise<{ blobs: number; bytes: number }> {
  const { rows } = await pool.query<{ blobs: number; bytes: number }>(
    `select count(distinct b.id) as blobs, coalesce(sum(length(data)), 0)::bigint as bytes
     from blob b join session s on s.id = b.session_id where s.agent_session_id = $1`,
    [id],
  )
  return rows[0] ?? { blobs: 0, bytes: 0 }
}

test('a part of more than 1 MiB is kept beside its row and is whole in the export; what replaces it takes its place', async () => {
  const id = await alice.newSession()
  const text = 'größer '.repeat(200_000)
  await alice.taken(id, [messageItem('msg_1', 'user'), textItem('msg_1', 'prt_1', text)])
  expect((await blobBytes(id)).blobs).toBe(1)
  expect((await alice.export(id)).messages[0]?.parts[0]?.text).toBe(text)
  expect((await alice.page(id)).messages[0]?.parts[0]).toMatchObject({ text })
  await alice.taken(id, [textItem('msg_1', 'prt_1', `${text}and more`)])
  expect((await blobBytes(id)).blobs).toBe(1)
  await alice.taken(id, [textItem('msg_1', 'prt_1', 'small', { time: { end: 1 } })])
  expect(await blobBytes(id)).toEqual({ blobs: 0, bytes: 0 })
})

test('a part that only looks as if its content were elsewhere is what it says', async () => {
  const id = await alice.newSession()
  const blob = { id: 'a'.repeat(64), bytes: 999_999_999 }
  const own = { type: 'part', data: { id: 'prt_1', messageID: 'msg_1', type: 'text', text: 'x', blob } }
  await alice.taken(id, [messageItem('msg_1', 'user'), own])
  expect((await alice.export(id)).messages[0]?.parts).toMatchObject([{ id: 'prt_1', text: 'x', blob }])
})

test('an item of more than 16 MiB is left out, and the others count', async () => {
  const id = await alice.newSession()
  const items = [messageItem('msg_1', 'user'), textItem('msg_1', 'prt_1', 'x'.repeat(16 * MiB))]
  expect(await alice.taken(id, items)).toMatchObject({ accepted: 1, skipped: [{ index: 1, reason: 'too_large' }] })
})

test('of a large diff that comes again and again, one is stored, and none is in the export', async () => {
  const id = await alice.newSession()
  const diff = (i: number) => ({ type: 'session_diff', data: [{ file: 'a.ts', patch: `${i} ${'+'.repeat(2 * MiB)}` }] })
  for (let i = 0; i < 10; i++) await alice.taken(id, [diff(i)])
  expect(await alice.taken(id, [diff(9)])).toMatchObject({ accepted: 0, unchanged: 1 })
  const { blobs, bytes } = await blobBytes(id)
  expect(blobs).toBe(1)
  expect(bytes).toBeLessThan(3 * MiB)
  const { rows } = await pool.query<{ bytes: number }>(
    `select sum(length(data))::bigint as bytes from event e join session s on s.id = e.session_id
     where s.agent_session_id = $1`,
    [id],
  )
  expect(rows[0]?.bytes).toBeLessThan(10_000)
  expect(JSON.stringify(await alice.export(id))).not.toContain('+++')
})

/** As a thousand pushes would leave it: 2,000 messages of one part of some 53 KiB each. */
const long = newAgentSessionId()
beforeAll(async () => {
  const id = await alice.newSession(long)
  await alice.taken(id, [sessionItem(id)])
  await pool.query(
    `with s as (select id from session where agent_session_id = $1),
       m as (insert into message (session_id, id, position, agent_session_id, role, info)
         select s.id, 'msg_' || i, 10 + 2 * i, $1, 'assistant',
           json_build_object('id', 'msg_' || i, 'sessionID', $1::text, 'role', 'assistant',
             'time', json_build_object('created', i, 'completed', i))::text
         from s, generate_series(1, 2000) i returning session_id)
     insert into part (session_id, message_id, id, position, type, data, folded_seq)
     select s.id, 'msg_' || i, 'prt_' || i, 11 + 2 * i, 'text',
       json_build_object('id', 'prt_' || i, 'sessionID', $1::text, 'messageID', 'msg_' || i, 'type', 'text',
         'text', repeat(md5(i::text), 1700), 'time', json_build_object('end', i))::text, 11 + 2 * i
     from s, generate_series(1, 2000) i`,
    [id],
  )
}, 60_000)

const exportOf = (id: AgentSessionId) =>
  fetch(`${face.url}/api/session/${id}/export`, { headers: bearer(face.operator.apiKey) })

test('a transcript of 100 MiB is read whole, in bounded memory', async () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const heldBytes = () => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = heldBytes()
  let most = 0
  let bytes = 0
  let chunks = 0
  let last = ''
  const response = await exportOf(long)
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    last = Buffer.from(chunk.subarray(-4)).toString()
    if (++chunks % 400 === 0) most = Math.max(most, heldBytes())
  }
  expect(bytes).toBeGreaterThan(100 * MiB)
  expect(last).toBe(']}]}')
  expect(Number(response.headers.get('x-corral-seq'))).toBeGreaterThan(0)
  // Reader and server share this process.
  expect(chunks).toBeGreaterThan(1_000)
  expect(most - before).toBeLessThan(32 * MiB)
}, 120_000)

test('an export whose reading breaks is cut off, and is no JSON', async () => {
  const response = await exportOf(long)
  expect(response.status).toBe(200)
  const ended = await pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and state in ('active', 'idle in transaction') and pid <> pg_backend_pid()`,
  )
  expect(ended.rowCount).toBe(1)
  await expect(response.text()).rejects.toThrow()
  // The server goes on.
  expect((await alice.page(long, '?limit=1')).messages).toHaveLength(1)
}, 60_000)

test('of 20,000 sessions in 200 repositories, those of one are found by the index, in milliseconds', async () => {
  const { userId, apiKey } = await face.newUser()
  const many = createPusher(face, apiKey)
  await pool.query(
    `insert into session (id, state, user_id, agent_session_id, agent_kind, agent_version, repository, configuration, title)
     select gen_random_uuid(), 'unprepared', $1, 'ses_' || lpad(i::text, 26, '0'), 'external', '',
       'https://github.com/acme/r' || (i % 200), (select configuration from session limit 1), ''
     from generate_series(1, 20000) i`,
    [userId],
  )
  await pool.query('analyze session')
  const query = { limit: 50, gitUrl: 'git@github.com:Acme/R7.git' }
  const caller = { userId, botId: null, internal: false }
  const { rows } = await orm.execute<{ 'QUERY PLAN': string }>(
    sql`explain (analyze, format text) ${listQuery(orm, caller, query).getSQL()}`,
  )
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
  expect(plan).toContain('session_repository')
  expect(plan).not.toContain('Seq Scan on session ')
  expect(Number(/Execution Time: ([\d.]+) ms/.exec(plan)?.[1])).toBeLessThan(20)
  const answer = await many.get(`/api/sessions?gitUrl=${encodeURIComponent(query.gitUrl)}&limit=50`)
  expect(answer.json).toMatchObject({ sessions: { length: 50 }, nextCursor: expect.any(String) })
})

test('what is pushed to be read by nobody is refused before it is read', async () => {
  expectRefusal(await alice.push('ses_00000000000000000000000000', ['x'.repeat(20 * MiB)]), 'session_not_found')
})
