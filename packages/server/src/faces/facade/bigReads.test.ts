/** Reads of much: one repository of many, and a transcript that is far larger than what the server may hold of it. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sessionUuid } from '../../database/sessionUuid.ts'
import { listQuery } from '../../sessions/reads/roots.ts'
import { type TestFacade, testFacade } from './testFacade.ts'

let face: TestFacade
beforeAll(async () => {
  face = await testFacade()
})
afterAll(() => face[Symbol.asyncDispose]())

const MiB = 1024 * 1024
setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')

/** What is held and not garbage, on the heap and beside it. */
function heldBytes(): number {
  if (typeof collectGarbage === 'function') collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test('one repository of two hundred, among 20,000 sessions, is listed in a few milliseconds', async () => {
  const { id } = await face.start({ gitUrl: 'https://gitlab.com/acme/repository-7' })
  await face.database.pool.query(
    `insert into session (id, state, user_id, agent_session_id, agent_kind, agent_version, repository, configuration, title)
     select gen_random_uuid(), 'open', s.user_id, 'ses_' || lpad(i::text, 26, '0'),
       case when i % 3 = 0 then 'external' else 'opencode' end, '1', 'https://gitlab.com/acme/repository-' || (i % 200),
       s.configuration, 'Task ' || i
     from session s, generate_series(1, 20000) i where s.id = $1`,
    [sessionUuid(id)],
  )
  await face.database.pool.query('analyze session')
  const query = { limit: 101, repository: 'https://gitlab.com/acme/repository-7' }
  const { sql, params } = listQuery(face.database.orm, face.caller, query).toSQL()
  const plans: { plan: string; ms: number }[] = []
  for (let i = 0; i < 5; i += 1) {
    const { rows } = await face.database.pool.query({ text: `explain (analyze, format json) ${sql}`, values: params })
    const [explained] = rows[0]['QUERY PLAN']
    plans.push({ plan: JSON.stringify(explained), ms: explained['Planning Time'] + explained['Execution Time'] })
  }
  for (const { plan } of plans) {
    expect(plan).toContain('"Index Name":"session_root_repository"')
    expect(plan, 'its order is that of the list').not.toContain('"Node Type":"Sort"')
  }
  expect(Math.min(...plans.map(({ ms }) => ms))).toBeLessThan(20)
  const listed = await face.request(`/session?gitUrl=${encodeURIComponent(query.repository)}`)
  expect(listed.json, 'without those that were pushed from elsewhere').toHaveLength(68)
  expect(listed.headers.get('x-next-cursor')).toBeNull()
})

test('a transcript of 100 MB is read whole, also by a client that takes its time, and the server holds little of it', {
  timeout: 90_000,
}, async () => {
  const { id, agentSessionId } = await face.start()
  const messages = 2_000
  const values = [sessionUuid(id), agentSessionId, messages]
  await face.database.pool.query(
    `insert into message (session_id, id, position, agent_session_id, role, info)
     select $1::uuid, 'msg_' || i, 100 + i, $2::text, 'assistant', json_build_object('id', 'msg_' || i, 'sessionID', $2::text, 'role', 'assistant',
       'time', json_build_object('created', i, 'completed', i))::text from generate_series(1, $3::int) i`,
    values,
  )
  await face.database.pool.query(
    `insert into part (session_id, message_id, id, position, type, data, folded_seq)
     select $1::uuid, 'msg_' || i, 'prt_' || i || '_' || j, j, 'text', json_build_object('id', 'prt_' || i || '_' || j, 'sessionID', $2::text,
       'messageID', 'msg_' || i, 'type', 'text', 'text', repeat(md5(i::text), 780), 'time', json_build_object('start', 1, 'end', 2))::text, 1
     from generate_series(1, $3::int) i, generate_series(1, 2) j`,
    values,
  )
  await face.database.pool.query('update session_head set last_seq = 1000000 where session_id = $1', [sessionUuid(id)])

  const before = heldBytes()
  const response = await fetch(`${face.url}/kilo/session/${agentSessionId}/message`, {
    headers: { Authorization: `Bearer ${face.operator.apiKey}` },
  })
  let bytes = 0
  let most = 0
  let nextLook = 10 * MiB
  let first = ''
  let last = ''
  for await (const chunk of response.body ?? []) {
    if (bytes === 0) {
      first = Buffer.from(chunk.subarray(0, 12)).toString()
      // What is not taken is not read.
      await new Promise((resolve) => setTimeout(resolve, 500))
      most = Math.max(most, heldBytes() - before)
    }
    bytes += chunk.byteLength
    last = Buffer.from(chunk.subarray(-4)).toString()
    if (bytes < nextLook) continue
    nextLook += 10 * MiB
    most = Math.max(most, heldBytes() - before)
  }
  expect({ first, last: last.slice(-3) }).toEqual({ first: '[{"info":{"i', last: ']}]' })
  expect(bytes).toBeGreaterThan(95 * MiB)
  expect(most).toBeLessThan(32 * MiB)

  const breaking = await fetch(`${face.url}/kilo/session/${agentSessionId}/message`, {
    headers: { Authorization: `Bearer ${face.operator.apiKey}` },
  })
  await face.database.pool.query('alter table part rename to part_away')
  await expect(breaking.text(), 'what cannot be read to its end has no end').rejects.toThrow('terminated')
  await face.database.pool.query('alter table part_away rename to part')

  const page = await face.request(`/session/${agentSessionId}/message?limit=100`)
  expect(page.json).toMatchObject(Array.from({ length: 100 }, (_, i) => ({ info: { id: `msg_${messages - 99 + i}` } })))
})

test('what is larger than a page alone is left out of it and counted, and the pages go on', async () => {
  const { id, agentSessionId } = await face.start({ prompt: 'The first' })
  await face.sessions.interrupt(face.caller, id)
  await face.database.pool.query(
    `insert into message (session_id, id, position, agent_session_id, role, info)
     select $1::uuid, 'msg_' || i, 100 + i, $2::text, 'assistant', '{"id":"msg_' || i || '","sessionID":"x","role":"assistant","time":{"created":1}}'
     from generate_series(1, 3) i`,
    [sessionUuid(id), agentSessionId],
  )
  await face.database.pool.query(
    `insert into part (session_id, message_id, id, position, type, data, folded_seq)
     select $1::uuid, 'msg_' || i, 'prt_' || i, 1, 'text', json_build_object('id', 'prt_' || i, 'sessionID', 'x', 'messageID', 'msg_' || i,
       'type', 'text', 'text', repeat('x', case i when 2 then 9000000 else 5000000 end), 'time', '{"end":1}'::json)::text, 1
     from generate_series(1, 3) i`,
    [sessionUuid(id)],
  )
  const seen: { ids: string[]; omitted: string | null }[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page = await face.request(`/session/${agentSessionId}/message?limit=10${cursor && `&before=${cursor}`}`)
    const ids: string[] = JSON.parse(page.text).map(({ info }: { info: { id: string } }) => info.id)
    seen.unshift({ ids, omitted: page.headers.get('x-kilo-omitted-item-count') })
    cursor = page.headers.get('x-next-cursor')
  }
  expect(seen).toEqual([
    { ids: [expect.stringMatching(/^msg_/), 'msg_1'], omitted: '0' },
    { ids: ['msg_3'], omitted: '1' },
  ])
})
