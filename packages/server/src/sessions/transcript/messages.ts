/**
 * A conversation's messages, read in order and in bounded memory: all of them as a stream, one page of them, or one.
 * Each piece is as of one moment; order and cursors are `position`, never an id or a clock. Sub-agents' messages are not
 * in it. Invariant: no query holds more than a piece of about 1 MiB (or one larger part), however long the transcript is.
 */
import { type ExecutionId, type MessageInfo, messageInfoSchema, type Part, type SessionId } from '@corral/protocol'
import { sessionUuid } from '../../database/columns.ts'
import type { Database } from '../../database/transaction.ts'
import { contentBytes, wholeText } from './blobs.ts'
import { foldedParts, type PartRow } from './readTranscript.ts'

/** Whose messages: the agent's own session tells the root's from those of sub-agents. */
export type Conversation = { id: SessionId; agentSessionId: string }
export type Message = { info: MessageInfo; parts: Part[] }

/** A message, followed by its parts in order. */
export type MessageItem = { kind: 'message'; info: MessageInfo } | { kind: 'part'; part: Part }

/** `omitted`: messages that alone are larger than a page. `before` gives the page before this one. */
export type MessagePage = { messages: Message[]; omitted: number; before: number | null }

export type Messages = ReturnType<typeof createMessages>

const pieceBytes = 1024 * 1024
const pieceMessages = 100
const pieceParts = 500
const maxPageBytes = 8 * 1024 * 1024

type MessageRow = { id: string; position: number; info: string; bytes: number }
type Place = { messageId: string; id: string; bytes: number }

/** Index message_order; the sizes are by the key of `part`, and cost no decompression. */
const messageRows = (direction: 'asc' | 'desc') => `
  select m.id, m.position, m.info, ${contentBytes('m.info')} + coalesce((
    select sum(${contentBytes('p.data')})::bigint from part p
    where p.session_id = m.session_id and p.message_id = m.id), 0) as bytes
  from message m
  where m.session_id = $1 and m.agent_session_id = $2 and m.position > $3 and m.position < $4
  order by m.position ${direction} limit $5`

export function createMessages({ pool, orm }: Pick<Database, 'pool' | 'orm'>) {
  async function rows(
    { id, agentSessionId }: Conversation,
    range: { after: number; before: number; limit: number; direction: 'asc' | 'desc' },
  ): Promise<MessageRow[]> {
    const { after, before, limit, direction } = range
    const found = await pool.query<MessageRow>({
      name: `messages_${direction}`,
      text: messageRows(direction),
      values: [sessionUuid(id), agentSessionId, after, before, limit],
    })
    return found.rows
  }

  /** Where the parts of these messages lie, by message and then in order. */
  async function placesOf(id: SessionId, messageIds: readonly string[]): Promise<Place[]> {
    const found = await pool.query<Place>({
      name: 'parts_of_messages',
      text: `select message_id as "messageId", id, ${contentBytes('data')} as bytes from part
             where session_id = $1 and message_id = any ($2)
             order by array_position($2, message_id), position, id`,
      values: [sessionUuid(id), messageIds],
    })
    return found.rows
  }

  async function* partsOf(id: SessionId, messageIds: readonly string[]): AsyncGenerator<PartRow, void, undefined> {
    const places = await placesOf(id, messageIds)
    for (let from = 0; from < places.length; ) {
      const piece = takeBytes(places.slice(from, from + pieceParts), pieceBytes)
      from += piece.length
      yield* await foldedParts(orm, id, piece)
    }
  }

  async function wholeOf(id: SessionId, found: readonly MessageRow[]): Promise<Message[]> {
    const parts = Map.groupBy(
      await Array.fromAsync(
        partsOf(
          id,
          found.map((row) => row.id),
        ),
      ),
      (row) => row.messageId,
    )
    return Promise.all(
      found.map(async (row) => ({
        info: await infoOf(id, row),
        parts: (parts.get(row.id) ?? []).map(({ part }) => part),
      })),
    )
  }

  const infoOf = async (id: SessionId, row: MessageRow): Promise<MessageInfo> =>
    messageInfoSchema.parse(JSON.parse(await wholeText(orm, id, row.info)))

  return {
    /** Everything up to the log's number `upTo`. */
    async *all(of: Conversation, upTo: number): AsyncGenerator<MessageItem, void, undefined> {
      for (let after = 0; ; ) {
        const found = await rows(of, { after, before: upTo + 1, limit: pieceMessages, direction: 'asc' })
        const piece = takeBytes(found, pieceBytes)
        const last = piece.at(-1)
        if (!last) return
        const parts = partsOf(
          of.id,
          piece.map((row) => row.id),
        )
        let next = await parts.next()
        for (const row of piece) {
          yield { kind: 'message', info: await infoOf(of.id, row) }
          while (!next.done && next.value.messageId === row.id) {
            yield { kind: 'part', part: next.value.part }
            next = await parts.next()
          }
        }
        after = last.position
      }
    },

    /** The last `limit` before a position; ascending. */
    async page(of: Conversation, { limit, before }: { limit: number; before: number | null }): Promise<MessagePage> {
      const bound = before ?? Number.MAX_SAFE_INTEGER
      const found = await rows(of, { after: 0, before: bound, limit: limit + 1, direction: 'desc' })
      const candidates = found.slice(0, limit)
      const fit: MessageRow[] = []
      let omitted = 0
      let bytes = 0
      let oldest: MessageRow | undefined
      for (const row of candidates) {
        const tooLarge = row.bytes > maxPageBytes
        if (!tooLarge && bytes + row.bytes > maxPageBytes) break
        oldest = row
        if (tooLarge) omitted += 1
        else {
          bytes += row.bytes
          fit.push(row)
        }
      }
      const more = oldest !== undefined && found.at(-1) !== oldest
      return {
        messages: await wholeOf(of.id, fit.toReversed()),
        omitted,
        before: more ? (oldest?.position ?? null) : null,
      }
    },

    /** What the agent said last in this execution. */
    async lastAnswer({ id, agentSessionId }: Conversation, executionId: ExecutionId): Promise<Message | null> {
      // Backwards along `message_order`.
      const found = await pool.query<MessageRow>({
        name: 'last_answer_of_execution',
        text: `select id, position, info, 0 as bytes from message
               where session_id = $1 and agent_session_id = $2 and execution_id = $3 and role = 'assistant'
               order by position desc limit 1`,
        values: [sessionUuid(id), agentSessionId, executionId],
      })
      const [message] = await wholeOf(id, found.rows)
      return message ?? null
    },

    async one({ id, agentSessionId }: Conversation, messageId: string): Promise<Message | null> {
      const found = await pool.query<MessageRow>({
        name: 'message_of_conversation',
        text: `select id, position, info, 0 as bytes from message
               where session_id = $1 and id = $2 and agent_session_id = $3`,
        values: [sessionUuid(id), messageId, agentSessionId],
      })
      const [message] = await wholeOf(id, found.rows)
      return message ?? null
    },
  }
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
