/** 200 MB of replay, with one event of 5 MB in it, take a bounded part of memory; the events themselves all come. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addSession, type LogUnderTest, openLog } from '../testing/log.ts'
import { type TestDatabase, testDatabase } from '../testing/postgres.ts'

const MB = 1e6
const events = 2_000
const eventBytes = 100_000
const largest = { seq: 1_000, bytes: 5 * MB }
/**
 * Pages of a MiB, the largest event, their copies on the way, and what the collector leaves for a while, which is most of
 * it. Whoever reads all at once takes twice the whole.
 */
const most = 200 * MB

let stored: TestDatabase
let opened: LogUnderTest
beforeAll(async () => {
  stored = await testDatabase()
  opened = await openLog(stored.pool)
})
afterAll(async () => {
  await opened.log.close()
  await stored[Symbol.asyncDispose]()
})

test('200 MB of replay take no more memory than their largest parts', { timeout: 60_000 }, async () => {
  const session = await addSession(opened.database)
  const uuid = session.slice('agent_'.length)
  await stored.pool.query(
    `insert into event (session_id, seq, type, data)
     select $1, seq, 'output', json_build_object('source', 'stdout', 'content',
       repeat(chr(97 + seq % 26), case when seq = $3 then $4::integer else $5::integer end))::text
     from generate_series(1, $2::integer) seq`,
    [uuid, events, largest.seq, largest.bytes, eventBytes],
  )
  await stored.pool.query('update session_head set last_seq = $2 where session_id = $1', [uuid, events])

  const before = process.memoryUsage().rss
  let seen = 0
  let bytes = 0
  let grown = 0
  for await (const frames of opened.log.replay(session, { after: 0, upTo: events })) {
    seen += frames.length
    for (const { text } of frames) bytes += text.length
    grown = Math.max(grown, process.memoryUsage().rss - before)
  }
  expect(seen).toBe(events)
  expect(bytes).toBeGreaterThan(200 * MB)
  expect(grown / MB, 'megabytes').toBeLessThan(most / MB)
})
