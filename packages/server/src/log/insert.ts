/** The rows of the log: written once, many at a time, never changed. */
import type { SessionId } from '@corral/protocol'
import type { PoolClient } from 'pg'
import { sessionUuid } from '../database/columns.ts'
import type { NewEvent, StoredEvent } from './types.ts'

/** Gives the numbers that follow `lastSeq`. */
export function numbered(
  head: { sessionId: SessionId; lastSeq: number; now: Date },
  events: readonly NewEvent[],
): StoredEvent[] {
  const { sessionId, lastSeq, now } = head
  return events.map((event, i) => ({ ...event, sessionId, seq: lastSeq + 1 + i, at: now }))
}

/** One statement whatever the number of rows, so that PostgreSQL plans it once. */
const insertSql = `
  insert into event (session_id, seq, type, execution_id, entity_id, data, at, epoch, n, key, ends)
  select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
                       $8::integer[], $9::bigint[], $10::text[], $11::boolean[])`

export async function insertEvents(client: PoolClient, events: readonly StoredEvent[]): Promise<void> {
  if (events.length === 0) return
  await client.query({
    name: 'log_insert',
    text: insertSql,
    values: [
      events.map((event) => sessionUuid(event.sessionId)),
      events.map((event) => event.seq),
      events.map((event) => event.type),
      events.map((event) => event.executionId ?? null),
      events.map((event) => event.entityId ?? null),
      events.map((event) => event.data),
      events.map((event) => event.at),
      events.map((event) => event.origin?.epoch ?? null),
      events.map((event) => event.origin?.n ?? null),
      events.map((event) => event.key ?? null),
      events.map((event) => event.ends ?? false),
    ],
  })
}

/** Of these keys, those that the session's log has, with their numbers: `event_key`. The head must be locked. */
export async function numbersOfKeys(
  client: Pick<PoolClient, 'query'>,
  session: SessionId,
  keys: readonly string[],
): Promise<Map<string, number>> {
  if (keys.length === 0) return new Map()
  const { rows } = await client.query<{ key: string; seq: number }>({
    name: 'log_keys',
    text: 'select key, seq from event where session_id = $1 and key = any ($2)',
    values: [sessionUuid(session), keys],
  })
  return new Map(rows.map((row) => [row.key, row.seq]))
}

const keyOf = (event: NewEvent) => event.key

/**
 * Leaves out what the log has under its key already, and what comes a second time in `events`.
 * `numberOf` gives the number of each event of `events`, old or new.
 */
export async function withoutKnown(
  client: PoolClient,
  head: { sessionId: SessionId; lastSeq: number },
  events: readonly NewEvent[],
): Promise<{ fresh: NewEvent[]; numbers: number[] }> {
  const known = await numbersOfKeys(
    client,
    head.sessionId,
    events.map(keyOf).filter((key) => key !== undefined),
  )
  const fresh: NewEvent[] = []
  const numbers = events.map((event) => {
    const old = event.key === undefined ? undefined : known.get(event.key)
    if (old !== undefined) return old
    const seq = head.lastSeq + fresh.push(event)
    if (event.key !== undefined) known.set(event.key, seq)
    return seq
  })
  return { fresh, numbers }
}
