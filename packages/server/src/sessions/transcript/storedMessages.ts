/**
 * Reads the stored messages of a conversation in their order, in bounded memory whatever their size: first where they
 * lie and how large they are, then their contents, about 1 MiB at a time. Order is `position`, never an id or a clock.
 * Invariants: what is read is what the reducer of `transcript` makes of the log, deltas of an agent's open parts
 * included; each piece is as of one moment.
 */
import { limits, type SessionId } from '@corral/protocol'
import { mayGrow, type TranscriptPart } from '@corral/transcript'
import { sessionUuid } from '../../database/columns.ts'
import { contentBytes } from './blobs.ts'
import { grown } from './growth.ts'
import type { Snapshot } from './snapshot.ts'

/** Whose messages: the agent's own session tells the root's from those of sub-agents. */
export type Conversation = { id: SessionId; agentSessionId: string }

/** How it is read, and what becomes of rows, which may refer to a blob (see `wholeContent`). */
export type Reading<Info, Part> = {
  /** As of one moment: of the same one each time, or of the one that is now. */
  at<T>(read: (snapshot: Snapshot) => Promise<T>): Promise<T>
  info(snapshot: Snapshot, session: SessionId, row: string): Promise<Info>
  part(snapshot: Snapshot, session: SessionId, row: string): Promise<Part>
}

/** A message, followed by its parts in order. */
export type StoredEntry<Info, Part> = { kind: 'message'; info: Info } | { kind: 'part'; messageId: string; part: Part }

export type StoredMessage = { id: string; role: 'user' | 'assistant' }
/** `bytes`: of the message and all its parts. */
export type Place = StoredMessage & { position: number; bytes: number }

export type Which = {
  /** Only messages that have changed after this `seq`, themselves or in a part. */
  changedAfter?: number | undefined
  /** Only what was pushed, and nothing that an execution has made here. */
  fromElsewhere?: boolean | undefined
  /** Only what began up to this `seq`. */
  upTo?: number | undefined
}

const messagesAtOnce = 100
const partsAtOnce = 1_000

export async function* storedMessages<Info, Part>(
  reading: Reading<Info, Part>,
  of: Conversation,
  which: Which = {},
): AsyncGenerator<StoredEntry<Info, Part>, void, void> {
  const { changedAfter, fromElsewhere } = which
  const changed =
    changedAfter === undefined ? undefined : await reading.at((at) => changedMessages(at, of, changedAfter))
  const before = which.upTo === undefined ? undefined : which.upTo + 1
  for (let after = 0, done = 0; changed === undefined || done < changed.length; ) {
    const among = changed?.slice(done, done + messagesAtOnce)
    const range = { after, before, among, fromElsewhere, limit: messagesAtOnce, direction: 'asc' as const }
    const found = await reading.at((at) => placesOf(at, of, range))
    const piece = takeBytes(found, limits.rowBytes)
    yield* contentsOf(reading, of.id, piece)
    if (among === undefined) {
      if (piece.length === 0) return
    } else if (piece.length === found.length) done += among.length
    after = piece.at(-1)?.position ?? after
  }
}

/** `among`: only those that are named. */
export async function placesOf(
  { client }: Snapshot,
  { id, agentSessionId }: Conversation,
  range: {
    after?: number | undefined
    before?: number | undefined
    among?: readonly string[] | undefined
    fromElsewhere?: boolean | undefined
    limit: number
    direction: 'asc' | 'desc'
  },
): Promise<Place[]> {
  const { after = 0, before = Number.MAX_SAFE_INTEGER, among, fromElsewhere = false, limit, direction } = range
  // Along `message_order`, or by the key of `message`; the sizes are by the key of `part`, and cost no decompression.
  const { rows } = await client.query<Place>({
    name: `message_places_${direction}${among ? '_among' : ''}`,
    text: `
      select m.id, m.role, m.position, ${contentBytes('m.info')} + coalesce((
        select sum(${contentBytes('p.data')})::bigint from part p
        where p.session_id = m.session_id and p.message_id = m.id), 0) as bytes
      from message m
      where m.session_id = $1 and m.agent_session_id = $2 and m.position > $3 and m.position < $4
        and (not $5 or m.execution_id is null) ${among ? 'and m.id = any ($7)' : ''}
      order by m.position ${direction} limit $6`,
    values: [sessionUuid(id), agentSessionId, after, before, fromElsewhere, limit, ...(among ? [among] : [])],
  })
  return rows
}

/** In their order. What grows has events beside its row. */
async function changedMessages(
  { client }: Snapshot,
  { id, agentSessionId }: Conversation,
  after: number,
): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>({
    name: 'changed_messages',
    text: `
      select m.id from message m
      where m.session_id = $1 and m.agent_session_id = $2 and (m.changed_seq > $3 or m.id in (
        select c.message_id from event e join part c on c.session_id = e.session_id and c.id = e.entity_id
        where e.session_id = $1 and e.seq > $3))
      order by m.position`,
    values: [sessionUuid(id), agentSessionId, after],
  })
  return rows.map((row) => row.id)
}

/** These messages with their parts. What is not there any more is left out. */
export async function* contentsOf<Info, Part>(
  reading: Reading<Info, Part>,
  session: SessionId,
  messages: readonly StoredMessage[],
): AsyncGenerator<StoredEntry<Info, Part>, void, void> {
  if (messages.length === 0) return
  const infos = await reading.at((at) => infosOf(at, session, messages, reading.info))
  const parts = partsOf(reading, session, messages)
  let next = await parts.next()
  for (const { id } of messages) {
    const info = infos.get(id)
    if (info !== undefined) yield { kind: 'message', info }
    for (; !next.done && next.value.messageId === id; next = await parts.next()) {
      if (info !== undefined) yield { kind: 'part', ...next.value }
    }
  }
}

/** By `message_session_id_id_pk`. */
async function infosOf<Info>(
  at: Snapshot,
  session: SessionId,
  messages: readonly StoredMessage[],
  made: Reading<Info, unknown>['info'],
): Promise<Map<string, Info>> {
  const { rows } = await at.client.query<{ id: string; info: string }>({
    name: 'stored_infos',
    text: 'select id, info from message where session_id = $1 and id = any ($2)',
    values: [sessionUuid(session), messages.map(({ id }) => id)],
  })
  const infos = new Map<string, Info>()
  for (const { id, info } of rows) infos.set(id, await made(at, session, info))
  return infos
}

type PartPlace = { messageId: string; id: string; place: number; position: number; bytes: number }

async function* partsOf<Info, Part>(
  reading: Reading<Info, Part>,
  session: SessionId,
  messages: readonly StoredMessage[],
): AsyncGenerator<{ messageId: string; part: Part }, void, void> {
  const growing = new Set(messages.filter(({ role }) => role === 'assistant').map(({ id }) => id))
  for (let last: PartPlace | undefined; ; ) {
    const after = last
    const places = await reading.at((at) => partPlacesOf(at, session, messages, after))
    for (let from = 0; from < places.length; ) {
      const piece = takeBytes(places.slice(from), limits.rowBytes)
      from += piece.length
      yield* await reading.at(async (at) => {
        const read: { messageId: string; part: Part }[] = []
        for (const { messageId, row } of await partRowsOf(at, session, piece, growing)) {
          read.push({ messageId, part: await reading.part(at, session, row) })
        }
        return read
      })
    }
    last = places.at(-1)
    if (places.length < partsAtOnce) return
  }
}

/** In the order of the messages, and of parts in each. A prefix of the key of `part` finds them. */
async function partPlacesOf(
  { client }: Snapshot,
  session: SessionId,
  messages: readonly StoredMessage[],
  after: PartPlace | undefined,
): Promise<PartPlace[]> {
  const { rows } = await client.query<PartPlace>({
    name: 'part_places',
    text: `
      select message_id as "messageId", id, array_position($2::text[], message_id) as place, position,
        ${contentBytes('data')} as bytes
      from part
      where session_id = $1 and message_id = any ($2::text[])
        and (array_position($2::text[], message_id), position, id) > ($3::int, $4::bigint, $5::text)
      order by place, position, id limit ${partsAtOnce}`,
    values: [
      ...[sessionUuid(session), messages.map(({ id }) => id)],
      ...[after?.place ?? 0, after?.position ?? 0, after?.id ?? ''],
    ],
  })
  return rows
}

type PartRow = { messageId: string; id: string; type: string; data: string; foldedSeq: number }

/** In the order in which they are named. By the key of `part`. */
async function partRowsOf(
  { client, orm }: Snapshot,
  session: SessionId,
  named: readonly PartPlace[],
  growing: ReadonlySet<string>,
): Promise<{ messageId: string; row: string }[]> {
  const { rows } = await client.query<PartRow>({
    name: 'stored_parts',
    text: `
      select p.message_id as "messageId", p.id, p.type, p.data, p.folded_seq as "foldedSeq"
      from unnest($2::text[], $3::text[]) with ordinality n (message_id, id, place)
      join part p on p.session_id = $1 and p.message_id = n.message_id and p.id = n.id
      order by n.place`,
    values: [sessionUuid(session), named.map(({ messageId }) => messageId), named.map(({ id }) => id)],
  })
  const parts = new Map<string, Map<string, TranscriptPart>>()
  const open = new Map<string, Map<string, number>>()
  for (const { messageId, id, type, data, foldedSeq } of rows) {
    if (!growing.has(messageId) || (type !== 'text' && type !== 'reasoning')) continue
    const part = JSON.parse(data)
    if (!mayGrow(part)) continue
    parts.set(messageId, (parts.get(messageId) ?? new Map()).set(id, { part, position: foldedSeq }))
    open.set(messageId, (open.get(messageId) ?? new Map()).set(id, foldedSeq))
  }
  const whole = await grown(orm, session, { messages: new Map(), parts }, open)
  return rows.map(({ messageId, id, data }) => {
    const part = whole.parts.get(messageId)?.get(id)?.part
    return { messageId, row: part ? JSON.stringify(part) : data }
  })
}

/** The first of these that have so many bytes together; at least one. */
function takeBytes<Item extends { bytes: number }>(items: readonly Item[], maxBytes: number): Item[] {
  const taken: Item[] = []
  let bytes = 0
  for (const item of items) {
    bytes += item.bytes
    if (taken.length > 0 && bytes > maxBytes) break
    taken.push(item)
  }
  return taken
}
