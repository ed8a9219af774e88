/**
 * One page of a session's transcript with the turns that it belongs to, as of one number of the log. Invariant: a reader
 * who applies the log from that number on has what the reducer makes of the whole log, as far as the page reaches.
 */
import {
  type AgentSessionId,
  type Envelope,
  type ExecutionId,
  messageInfoSchema,
  type SessionId,
  type StoredMessage,
  type TranscriptPage,
  turnEventTypes,
} from '@corral/protocol'
import { and, desc, eq, gt, inArray, lte, type SQL, sql } from 'drizzle-orm'
import { event, type session, sessionHead } from '../../database/schema.ts'
import { sessionUuid } from '../../database/sessionUuid.ts'
import type { Orm } from '../../database/transaction.ts'
import { frameOf } from '../../log/envelope.ts'
import { contentBytes, wholeText } from './blobs.ts'
import { foldedPartsIn, type PartName, type PartRow } from './readTranscript.ts'

type Reader = Pick<Orm, 'select' | 'execute'>
export type WhichPage = { limit: number; before?: number | undefined; agentSessionId?: AgentSessionId | undefined }
type Row = { id: string; position: number; executionId: ExecutionId | null; info: string; bytes: number }

/** What is shown at once; more follows page by page. */
const pageBytes = 2 * 1024 * 1024
/** A message that alone has more is left out. */
const messageBytes = 8 * 1024 * 1024
/** Of what was reported; the newest. */
const mostEvents = 2_000

export function readTranscriptPage(
  orm: Orm,
  owner: typeof session.$inferSelect,
  { limit, before = Number.MAX_SAFE_INTEGER, agentSessionId = owner.agentSessionId }: WhichPage,
): Promise<TranscriptPage> {
  return orm.transaction(
    async (tx) => {
      const [head] = await tx
        .select({ seq: sessionHead.lastSeq })
        .from(sessionHead)
        .where(eq(sessionHead.sessionId, owner.id))
      const found = await messagesOf(
        tx,
        owner.id,
        sql`m.agent_session_id = ${agentSessionId}
        and m.position < ${before} order by m.position desc limit ${limit + 1}`,
      )
      const { shown, omitted, oldest } = fitting(found.slice(0, limit))
      const more = oldest !== null && found.at(-1)?.position !== oldest
      const seq = head?.seq ?? 0
      const turns = more ? await turnsOf(tx, owner.id, shown) : null
      const asked = await messagesOf(
        tx,
        owner.id,
        sql`m.agent_session_id = ${agentSessionId}
        and m.id = any (${sql.param(turns?.asked ?? [])}::text[]) and m.position < ${oldest}`,
      )
      const range = { after: turns ? Math.min(oldest ?? seq, turns.first) - 1 : 0, upTo: Math.min(seq, before - 1) }
      return {
        cloudAgentSessionId: owner.id,
        agentSessionId,
        seq,
        logId: owner.logId,
        messages: await whole(tx, owner.id, [...asked, ...shown.toReversed()]),
        events: agentSessionId === owner.agentSessionId ? await turnEvents(tx, owner.id, range) : [],
        omitted,
        before: more ? oldest : null,
      }
    },
    // A page that is made of several moments has no number to go on from.
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )
}

/** By `message_order` or the key of `message`; the sizes by the key of `part`, without decompression. */
async function messagesOf(tx: Reader, id: SessionId, which: SQL): Promise<Row[]> {
  const { rows } = await tx.execute<Row>(sql`
    select m.id, m.position, m.execution_id as "executionId", m.info,
           ${sql.raw(contentBytes('m.info'))} + coalesce((
             select sum(${sql.raw(contentBytes('p.data'))})::bigint from part p
             where p.session_id = m.session_id and p.message_id = m.id), 0) as bytes
    from message m
    where m.session_id = ${sessionUuid(id)} and ${which}`)
  return rows
}

/** The newest that have room; `oldest`: how far back that reaches. */
function fitting(candidates: readonly Row[]): { shown: Row[]; omitted: number; oldest: number | null } {
  const shown: Row[] = []
  let omitted = 0
  let bytes = 0
  let oldest: number | null = null
  for (const row of candidates) {
    const tooLarge = row.bytes > messageBytes
    if (!tooLarge && shown.length > 0 && bytes + row.bytes > pageBytes) break
    oldest = row.position
    if (tooLarge) omitted += 1
    else {
      bytes += row.bytes
      shown.push(row)
    }
  }
  return { shown, omitted, oldest }
}

async function whole(tx: Reader, id: SessionId, rows: readonly Row[]): Promise<StoredMessage[]> {
  // By the key of `part`.
  const { rows: names } = await tx.execute<PartName>(sql`
    select message_id as "messageId", id from part
    where session_id = ${sessionUuid(id)} and message_id = any (${sql.param(rows.map((row) => row.id))}::text[])
    order by position, id`)
  const parts = Map.groupBy(await foldedPartsIn(tx, id, names), (row: PartRow) => row.messageId)
  const messages: StoredMessage[] = []
  for (const row of rows) {
    messages.push({
      info: messageInfoSchema.parse(JSON.parse(await wholeText(tx, id, row.info))),
      position: row.position,
      executionId: row.executionId,
      parts: (parts.get(row.id) ?? []).map(({ part, position }) => ({ part, position })),
    })
  }
  return messages
}

/** A turn may be longer than a page: where the first of those that are shown or open came, and what they were asked. */
async function turnsOf(tx: Reader, id: SessionId, shown: readonly Row[]): Promise<{ first: number; asked: string[] }> {
  const executions = [...new Set(shown.flatMap(({ executionId }) => executionId ?? []))]
  // By `execution_order`.
  const { rows } = await tx.execute<{ queuedSeq: number; messageId: string; isShown: boolean }>(sql`
    select queued_seq as "queuedSeq", message_id as "messageId",
           id = any (${sql.param(executions)}::text[]) as "isShown"
    from execution
    where session_id = ${sessionUuid(id)}
      and (id = any (${sql.param(executions)}::text[]) or state in ('queued', 'running'))`)
  return {
    first: Math.min(...rows.map(({ queuedSeq }) => queuedSeq)),
    asked: rows.filter(({ isShown }) => isShown).map(({ messageId }) => messageId),
  }
}

/** A range of `event_session_id_seq_pk` from its end; other types cost a look and no decompression. */
async function turnEvents(tx: Reader, id: SessionId, range: { after: number; upTo: number }): Promise<Envelope[]> {
  const rows = await tx
    .select({ seq: event.seq, type: event.type, executionId: event.executionId, data: event.data, at: event.at })
    .from(event)
    .where(
      and(
        eq(event.sessionId, id),
        gt(event.seq, range.after),
        lte(event.seq, range.upTo),
        inArray(event.type, [...turnEventTypes]),
      ),
    )
    .orderBy(desc(event.seq))
    .limit(mostEvents)
  return rows
    .toReversed()
    .map(
      ({ executionId, ...row }): Envelope =>
        JSON.parse(frameOf(id, { ...row, executionId: executionId ?? undefined }).text),
    )
}
