/**
 * A conversation's messages, read in order and in bounded memory: all of them as a stream, one page of them, or one.
 * Order and cursors are `position`. A page and a message are as of one moment; of all of them each piece is, so that
 * whoever takes his time holds no snapshot. Sub-agents' messages are not in it.
 */
import { type ExecutionId, type MessageInfo, messageInfoSchema, type Part, partSchema } from '@corral/protocol'
import type { Pool } from 'pg'
import { sessionUuid } from '../../database/columns.ts'
import { wholeText } from './blobs.ts'
import { inSnapshot, type Snapshot } from './snapshot.ts'
import {
  type Conversation,
  contentsOf,
  type Place,
  placesOf,
  type Reading,
  type StoredEntry,
  type StoredMessage,
  storedMessages,
} from './storedMessages.ts'

export type { Conversation }
export type Message = { info: MessageInfo; parts: Part[] }

/** A message, followed by its parts in order. */
export type MessageItem = StoredEntry<MessageInfo, Part>

/** `omitted`: messages that alone are larger than a page. `before` gives the page before this one. */
export type MessagePage = { messages: Message[]; omitted: number; before: number | null }

export type Messages = ReturnType<typeof createMessages>

const maxPageBytes = 8 * 1024 * 1024

export function createMessages({ pool }: { pool: Pool }) {
  const inMoments: Reading<MessageInfo, Part> = {
    at: (read) => inSnapshot(pool, read),
    info: async ({ orm }, session, row) => messageInfoSchema.parse(JSON.parse(await wholeText(orm, session, row))),
    part: async ({ orm }, session, row) => partSchema.parse(JSON.parse(await wholeText(orm, session, row))),
  }

  async function wholeOf(snapshot: Snapshot, of: Conversation, named: readonly StoredMessage[]): Promise<Message[]> {
    const messages: Message[] = []
    for await (const item of contentsOf({ ...inMoments, at: (read) => read(snapshot) }, of.id, named)) {
      if (item.kind === 'message') messages.push({ info: item.info, parts: [] })
      else messages.at(-1)?.parts.push(item.part)
    }
    return messages
  }

  /** The one that this condition on its row, with `$3`, finds. */
  const only = (of: Conversation, name: string, condition: string, value: string): Promise<Message | null> =>
    inSnapshot(pool, async (snapshot) => {
      const { rows } = await snapshot.client.query<StoredMessage>({
        name,
        text: `select id, role from message where session_id = $1 and agent_session_id = $2 and ${condition}`,
        values: [sessionUuid(of.id), of.agentSessionId, value],
      })
      const [message] = await wholeOf(snapshot, of, rows)
      return message ?? null
    })

  return {
    /** Everything up to the log's number `upTo`. */
    all: (of: Conversation, upTo: number) => storedMessages(inMoments, of, { upTo }),

    /** The last `limit` before a position; ascending. */
    page: (of: Conversation, { limit, before }: { limit: number; before: number | null }): Promise<MessagePage> =>
      inSnapshot(pool, async (snapshot) => {
        const range = { before: before ?? undefined, limit: limit + 1, direction: 'desc' as const }
        const found = await placesOf(snapshot, of, range)
        const { fit, omitted, oldest } = onOnePage(found.slice(0, limit))
        const more = oldest !== undefined && found.at(-1) !== oldest
        return {
          messages: await wholeOf(snapshot, of, fit.toReversed()),
          omitted,
          before: more ? oldest.position : null,
        }
      }),

    /** What the agent said last in this execution. Backwards along `message_order`. */
    lastAnswer: (of: Conversation, executionId: ExecutionId) =>
      only(
        of,
        'last_answer_of_execution',
        `execution_id = $3 and role = 'assistant' order by position desc limit 1`,
        executionId,
      ),

    /** By the key of `message`. */
    one: (of: Conversation, messageId: string) => only(of, 'message_of_conversation', 'id = $3', messageId),
  }
}

/** As many of these, which go backwards, as a page may have. What alone is too large for one is left out and counted. */
function onOnePage(places: readonly Place[]): { fit: Place[]; omitted: number; oldest: Place | undefined } {
  const fit: Place[] = []
  let omitted = 0
  let bytes = 0
  let oldest: Place | undefined
  for (const place of places) {
    const isTooLarge = place.bytes > maxPageBytes
    if (!isTooLarge && bytes + place.bytes > maxPageBytes) break
    oldest = place
    if (isTooLarge) omitted += 1
    else {
      bytes += place.bytes
      fit.push(place)
    }
  }
  return { fit, omitted, oldest }
}
