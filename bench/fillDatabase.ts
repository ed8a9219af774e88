/**
 * Sessions that have been, by the hundred thousand, each a copy of one that was made in the usual way, with its first
 * execution completed and a log of text deltas. Written by a few statements, so that millions of events take minutes.
 */
import type { SessionId } from '@corral/protocol'
import type { Pool, PoolClient } from 'pg'
import { sessionIdOf, sessionUuid } from '../packages/server/src/database/sessionUuid.ts'

export type Filling = {
  /** The session that they are copies of. */
  template: SessionId
  /** Whose they are. */
  userId: string
  sessions: number
  eventsEach: number
}

/** So many sessions are written in one transaction. */
const chunk = 10_000

export async function fillDatabase(pool: Pool, filling: Filling): Promise<SessionId[]> {
  const made: SessionId[] = []
  const client = await pool.connect()
  try {
    await client.query('set statement_timeout = 0')
    for (let left = filling.sessions; left > 0; left -= chunk) {
      made.push(...(await fillChunk(client, { ...filling, sessions: Math.min(chunk, left) })))
    }
    await client.query('vacuum analyze')
  } finally {
    client.release(true)
  }
  return made
}

async function fillChunk(
  client: PoolClient,
  { template, userId, sessions, eventsEach }: Filling,
): Promise<SessionId[]> {
  const from = sessionUuid(template)
  await client.query('begin; set local synchronous_commit = off')
  // In the order of their ids, so that the keys of the log are written from left to right.
  await client.query(
    `create temp table fresh on commit drop as
       select id, '01' || upper(substr(md5(id::text), 1, 24)) as ulid, substr(md5('m' || id::text), 1, 26) as tail
       from (select gen_random_uuid() as id from generate_series(1, $1::integer) order by 1) made`,
    [sessions],
  )
  const copies = [
    {
      table: 'session',
      key: 'id',
      changes: `'id', f.id, 'user_id', $2::text, 'agent_session_id', 'ses_' || f.tail, 'state', 'open', 'wake_at', null,
        'activity', nextval('session_activity'), 'initiated_at', now(), 'sandbox_id', null`,
    },
    { table: 'session_head', key: 'session_id', changes: `'session_id', f.id, 'last_seq', $2::integer` },
    {
      table: 'workspace',
      key: 'session_id',
      changes: `'session_id', f.id, 'warm_up', 'over', 'state', 'absent', 'agent_until', null`,
    },
    {
      table: 'execution',
      key: 'session_id',
      changes: `'session_id', f.id, 'id', 'exec_' || f.ulid, 'state', $2::text, 'attempt', 1, 'begun', true,
        'delivered_at', now(), 'started_at', now(), 'ended_at', now(), 'stopped_at', now(), 'compacted_at', now()`,
    },
    { table: 'message', key: 'session_id', changes: `'session_id', f.id` },
    { table: 'part', key: 'session_id', changes: `'session_id', f.id` },
  ]
  const second: Record<string, unknown> = { session: userId, session_head: eventsEach, execution: 'completed' }
  for (const { table, key, changes } of copies) {
    await client.query(
      `insert into ${table}
       select made.* from fresh f, ${table} t, jsonb_populate_record(t, jsonb_build_object(${changes})) made
       where t.${key} = $1`,
      table in second ? [from, second[table]] : [from],
    )
  }
  await client.query(
    `insert into event (session_id, seq, type, execution_id, entity_id, data, epoch, n)
     select f.id, seq, 'kilocode', 'exec_' || f.ulid, 'prt_' || f.tail,
            '{"type":"message.part.delta","properties":{"sessionID":"ses_' || f.tail || '","messageID":"msg_' || f.tail
              || '","partID":"prt_' || f.tail || '","field":"text","delta":"and a few words ' || seq || '"}}',
            1, seq
     from fresh f, generate_series(1, $1::integer) seq`,
    [eventsEach],
  )
  const { rows } = await client.query<{ id: string }>('select id from fresh')
  await client.query('commit')
  return rows.map(({ id }) => sessionIdOf(id))
}
