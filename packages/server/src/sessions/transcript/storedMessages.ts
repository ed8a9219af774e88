/**
 * Reads the stored transcript of a session message by message, in bounded memory whatever its size: a cursor gives ids
 * and lengths in order, contents follow about 1 MiB at a time. Invariant: what is read is what the reducer of
 * `transcript` makes of the log as of the snapshot, deltas of an agent's open parts included.
 */
import { type AgentSessionId, type ExecutionId, limits, type SessionId } from '@corral/protocol'
import { mayGrow, type TranscriptPart } from '@corral/transcript'
import { sessionUuid } from '../../database/columns.ts'
import type { Orm, Tx } from '../../database/transaction.ts'
import { grown } from './growth.ts'

/** Contents are rows, which may refer to a blob (see `wholeContent`). Parts follow their message, in their order. */
export type StoredEntry =
  | { kind: 'message'; id: string; position: number; executionId: ExecutionId | null; content: string }
  | { kind: 'part'; messageId: string; id: string; content: string }

export type Which = {
  session: SessionId
  /** Messages of sub-agents are not among them. */
  agentSessionId: AgentSessionId
  /** Only messages that have changed after this `seq`, themselves or in a part. */
  changedAfter?: number | undefined
  /** Only what was pushed, and nothing that an execution has made here. */
  fromElsewhere?: boolean | undefined
}

/** A connection in a transaction of one snapshot. */
export type Snapshot = { client: Pick<Tx['client'], 'query'>; orm: Pick<Orm, 'select'> }

type Place = {
  message_id: string
  position: number
  execution_id: ExecutionId | null
  role: 'user' | 'assistant'
  info_bytes: number
  /** Null where the message has no part. */
  part_id: string | null
  part_bytes: number | null
}

const placesAtOnce = 1_000

export async function* storedMessages(snapshot: Snapshot, which: Which): AsyncGenerator<StoredEntry, void, void> {
  let last: string | null = null
  for await (const places of batches(placesOf(snapshot, which))) {
    const infos = await infosOf(snapshot, which.session, places)
    const parts = await partsOf(snapshot, which.session, places)
    for (const { message_id: id, position, execution_id: executionId, part_id } of places) {
      if (id !== last) yield { kind: 'message', id, position, executionId, content: infos.get(id) ?? '' }
      last = id
      if (part_id === null) continue
      yield { kind: 'part', messageId: id, id: part_id, content: parts.get(keyOf(id, part_id)) ?? '' }
    }
  }
}

async function* placesOf({ client }: Snapshot, which: Which): AsyncGenerator<Place, void, void> {
  // Ids and lengths alone, which cost no decompression; sorted by PostgreSQL, on its disk if need be.
  await client.query(
    `declare transcript no scroll cursor for
     select m.id as message_id, m.position, m.execution_id, m.role, octet_length(m.info) as info_bytes,
            p.id as part_id, octet_length(p.data) as part_bytes
     from message m left join part p on p.session_id = m.session_id and p.message_id = m.id
     where m.session_id = $1 and m.agent_session_id = $2
       and ($3::bigint is null or m.changed_seq > $3 or m.id in (
         select c.message_id from event e join part c on c.session_id = e.session_id and c.id = e.entity_id
         where e.session_id = $1 and e.seq > $3))
       and (not $4 or m.execution_id is null)
     order by m.position, p.position`,
    [sessionUuid(which.session), which.agentSessionId, which.changedAfter ?? null, which.fromElsewhere ?? false],
  )
  for (;;) {
    const { rows } = await client.query<Place>(`fetch ${placesAtOnce} from transcript`)
    yield* rows
    if (rows.length < placesAtOnce) break
  }
  await client.query('close transcript')
}

/** As many as have their contents in about 1 MiB. */
async function* batches(places: AsyncIterable<Place>): AsyncGenerator<Place[], void, void> {
  let batch: Place[] = []
  let bytes = 0
  for await (const place of places) {
    const begins = batch.at(-1)?.message_id !== place.message_id
    const own = (place.part_bytes ?? 0) + (begins ? place.info_bytes : 0)
    if (batch.length > 0 && bytes + own > limits.rowBytes) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(place)
    bytes += own
  }
  if (batch.length > 0) yield batch
}

const keyOf = (messageId: string, partId: string) => `${messageId}/${partId}`

/** By `message_session_id_id_pk`. */
async function infosOf({ client }: Snapshot, session: SessionId, places: Place[]): Promise<Map<string, string>> {
  const { rows } = await client.query<{ id: string; info: string }>({
    name: 'stored_infos',
    text: 'select id, info from message where session_id = $1 and id = any ($2)',
    values: [sessionUuid(session), [...new Set(places.map(({ message_id }) => message_id))]],
  })
  return new Map(rows.map(({ id, info }) => [id, info]))
}

type PartRow = { message_id: string; id: string; type: string; data: string; folded_seq: number }

/** By `part_session_id_message_id_id_pk`. */
async function partsOf(snapshot: Snapshot, session: SessionId, places: Place[]): Promise<Map<string, string>> {
  const wanted = places.filter(({ part_id }) => part_id !== null)
  const { rows } = await snapshot.client.query<PartRow>({
    name: 'stored_parts',
    text: `select p.message_id, p.id, p.type, p.data, p.folded_seq
           from unnest($2::text[], $3::text[]) as w (message_id, id)
           join part p on p.session_id = $1 and p.message_id = w.message_id and p.id = w.id`,
    values: [sessionUuid(session), wanted.map(({ message_id }) => message_id), wanted.map(({ part_id }) => part_id)],
  })
  const contents = new Map(rows.map(({ message_id, id, data }) => [keyOf(message_id, id), data]))
  const roles = new Map(places.map(({ message_id, role }) => [message_id, role]))
  const byAgents = rows.filter(({ message_id }) => roles.get(message_id) === 'assistant')
  for (const [key, content] of await grownContents(snapshot, session, byAgents)) contents.set(key, content)
  return contents
}

async function grownContents({ orm }: Snapshot, session: SessionId, rows: PartRow[]): Promise<[string, string][]> {
  const parts = new Map<string, Map<string, TranscriptPart>>()
  const open = new Map<string, Map<string, number>>()
  for (const { message_id, id, type, data, folded_seq } of rows) {
    if (type !== 'text' && type !== 'reasoning') continue
    const part = JSON.parse(data)
    if (!mayGrow(part)) continue
    parts.set(message_id, (parts.get(message_id) ?? new Map()).set(id, { part, position: folded_seq }))
    open.set(message_id, (open.get(message_id) ?? new Map()).set(id, folded_seq))
  }
  if (open.size === 0) return []
  const transcript = await grown(orm, session, { messages: new Map(), parts }, open)
  return [...transcript.parts].flatMap(([messageId, ofMessage]) =>
    [...ofMessage].map(([id, { part }]): [string, string] => [keyOf(messageId, id), JSON.stringify(part)]),
  )
}
