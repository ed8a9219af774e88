/**
 * The heads of sessions: the rows that an append locks. Whoever holds one gives the next numbers of that session, so
 * numbers have no gaps. Locks are taken in the order of session ids, everywhere.
 */
import type { SessionId } from '@corral/protocol'
import type { Pool, PoolClient } from 'pg'
import { sessionIdOf, sessionUuid } from '../database/columns.ts'

export type Head = {
  sessionId: SessionId
  lastSeq: number
  epoch: number
  lastN: number
  /** PostgreSQL's clock when the lock was had, in whole milliseconds: the time of what is appended now. */
  now: Date
}

type Row = { session_id: string; last_seq: number; epoch: number; last_n: number; now: Date }

const columns = `h.session_id, h.last_seq, h.epoch, h.last_n, date_trunc('milliseconds', clock_timestamp()) as now`

const toHead = (row: Row): Head => ({
  sessionId: sessionIdOf(row.session_id),
  lastSeq: row.last_seq,
  epoch: row.epoch,
  lastN: row.last_n,
  now: row.now,
})

/** Index scans of `session_head_pkey` and `session_pkey`, sorted before they are locked. */
const living = `
  from session_head h join session s on s.id = h.session_id
  where h.session_id = any ($1::uuid[]) and s.state <> 'deleted'
  order by h.session_id`
const lockFree = `select ${columns} ${living} for no key update of h skip locked`
const lockWaiting = `select ${columns} ${living} for no key update of h`

/** Locks the heads that nobody else holds. A session that is deleted or was never there has none. */
export async function lockFreeHeads(client: PoolClient, sessions: SessionId[]): Promise<Map<SessionId, Head>> {
  const { rows } = await client.query<Row>({
    name: 'log_lock_free',
    text: lockFree,
    values: [sessions.map(sessionUuid)],
  })
  return new Map(rows.map(toHead).map((head) => [head.sessionId, head]))
}

/** Locks the heads and waits for them. Gives up after `timeoutMs` with SQLSTATE 55P03. */
export async function lockHeads(
  client: PoolClient,
  sessions: SessionId[],
  timeoutMs: number,
): Promise<Map<SessionId, Head>> {
  await client.query(`set local lock_timeout = ${timeoutMs}`)
  const { rows } = await client.query<Row>({
    name: 'log_lock_waiting',
    text: lockWaiting,
    values: [sessions.map(sessionUuid)],
  })
  return new Map(rows.map(toHead).map((head) => [head.sessionId, head]))
}

/** Which of these sessions have a head at all. */
export async function livingSessions(client: PoolClient, sessions: SessionId[]): Promise<Set<SessionId>> {
  const { rows } = await client.query<{ session_id: string }>({
    name: 'log_living',
    text: `select h.session_id ${living}`,
    values: [sessions.map(sessionUuid)],
  })
  return new Set(rows.map((row) => sessionIdOf(row.session_id)))
}

/** For the second door, whose caller has looked at the session itself. Null when there is no such session. */
export async function lockHead(client: PoolClient, session: SessionId): Promise<Head | null> {
  const { rows } = await client.query<Row>({
    name: 'log_lock_one',
    text: `select ${columns} from session_head h where h.session_id = $1 for no key update`,
    values: [sessionUuid(session)],
  })
  const [row] = rows
  return row ? toHead(row) : null
}

/**
 * Writes how far these heads have come. Returns how many there were: fewer than given when a session was deleted
 * between the snapshot and the lock of the statement that locked its head.
 */
export async function advanceHeads(
  client: PoolClient,
  heads: (Omit<Head, 'epoch' | 'now'> & { progressAt: Date | null })[],
): Promise<number> {
  if (heads.length === 0) return 0
  const { rowCount } = await client.query({
    name: 'log_advance',
    text: `
      update session_head h
      set last_seq = u.last_seq, last_n = u.last_n, last_progress_at = coalesce(u.progress_at, h.last_progress_at)
      from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[]) u (session_id, last_seq, last_n, progress_at)
        join session s on s.id = u.session_id
      where h.session_id = u.session_id and s.state <> 'deleted'`,
    values: [
      heads.map((head) => sessionUuid(head.sessionId)),
      heads.map((head) => head.lastSeq),
      heads.map((head) => head.lastN),
      heads.map((head) => head.progressAt),
    ],
  })
  return rowCount ?? 0
}

export async function advanceHead(client: PoolClient, session: SessionId, lastSeq: number): Promise<void> {
  await client.query({
    name: 'log_advance_one',
    text: 'update session_head set last_seq = $2 where session_id = $1',
    values: [sessionUuid(session), lastSeq],
  })
}

/** The last number of each of these sessions; 0 when it has no event, absent when there is no such session. */
export async function lastSeqs(pool: Pool, sessions: SessionId[]): Promise<Map<SessionId, number>> {
  const { rows } = await pool.query<{ session_id: string; last_seq: number }>({
    name: 'log_last_seqs',
    text: 'select session_id, last_seq from session_head where session_id = any ($1::uuid[])',
    values: [sessions.map(sessionUuid)],
  })
  return new Map(rows.map((row) => [sessionIdOf(row.session_id), row.last_seq]))
}
