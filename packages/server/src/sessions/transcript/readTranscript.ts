/**
 * Reads the transcript's tables, as of one moment: full states from the rows, and on top of those parts that are still
 * open the deltas that came since. Invariant: what is read is what the reducer of `transcript` makes of the log.
 */
import { type ExecutionId, type Part, partSchema, type SessionId } from '@corral/protocol'
import { mayGrow, type Transcript, type TranscriptMessage, type TranscriptPart } from '@corral/transcript'
import { and, eq, inArray, sql } from 'drizzle-orm'
import { sessionHead } from '../../database/schema.ts'
import { sessionUuid } from '../../database/sessionUuid.ts'
import type { Orm } from '../../database/transaction.ts'
import { message, part } from '../../database/transcriptTables.ts'
import { wholeText } from './blobs.ts'
import { grown } from './growth.ts'

/** All of it, or only the messages of one execution. */
export function readTranscript(orm: Orm, session: SessionId, executionId?: ExecutionId): Promise<Transcript> {
  return orm.transaction(
    async (tx) => {
      const [head] = await tx
        .select({ seq: sessionHead.lastSeq })
        .from(sessionHead)
        .where(eq(sessionHead.sessionId, session))
      const messageRows = await tx
        .select()
        .from(message)
        .where(and(eq(message.sessionId, session), executionId && eq(message.executionId, executionId)))
      const ofThese = inArray(
        part.messageId,
        messageRows.map(({ id }) => id),
      )
      const partRows = await tx
        .select()
        .from(part)
        .where(and(eq(part.sessionId, session), executionId && ofThese))

      const messages = new Map<string, TranscriptMessage>(
        messageRows.map((row) => [
          row.id,
          { info: JSON.parse(row.info), position: row.position, executionId: row.executionId },
        ]),
      )
      const parts = new Map<string, Map<string, TranscriptPart>>()
      const open = new Map<string, Map<string, number>>()
      for (const { messageId, id, data, position, foldedSeq } of partRows) {
        const found = { part: JSON.parse(data), position }
        setIn(parts, messageId, id, found)
        if (mayGrow(found.part)) setIn(open, messageId, id, foldedSeq)
      }
      return { ...(await grown(tx, session, { messages, parts }, open)), seq: head?.seq ?? 0 }
    },
    // A transcript that is made of several moments would be none.
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )
}

export type PartName = { messageId: string; id: string }
export type PartRow = PartName & { part: Part; position: number }

/** These parts in the order in which they are named, as of the snapshot of a transaction; those that are not there any more are left out. */
export async function foldedPartsIn(
  tx: Pick<Orm, 'select' | 'execute'>,
  session: SessionId,
  named: readonly PartName[],
): Promise<PartRow[]> {
  const messageIds = sql`${sql.param(named.map(({ messageId }) => messageId))}::text[]`
  const ids = sql`${sql.param(named.map(({ id }) => id))}::text[]`
  // By the key of `part`.
  const { rows } = await tx.execute<PartName & { data: string; position: number; foldedSeq: number }>(sql`
    select p.message_id as "messageId", p.id, p.data, p.position, p.folded_seq as "foldedSeq"
    from unnest(${messageIds}, ${ids}) with ordinality n (message_id, id, place)
    join part p on p.session_id = ${sessionUuid(session)} and p.message_id = n.message_id and p.id = n.id
    order by n.place`)
  const read: (PartRow & { foldedSeq: number })[] = []
  for (const { data, ...row } of rows) {
    read.push({ ...row, part: partSchema.parse(JSON.parse(await wholeText(tx, session, data))) })
  }
  const open = new Map<string, Map<string, number>>()
  const parts = new Map<string, Map<string, TranscriptPart>>()
  for (const { messageId, id, part, position, foldedSeq } of read) {
    if (!mayGrow(part)) continue
    setIn(open, messageId, id, foldedSeq)
    setIn(parts, messageId, id, { part, position })
  }
  const whole = await grown(tx, session, { messages: new Map(), parts }, open)
  return read.map(({ messageId, id, part, position }) => ({
    ...{ messageId, id, position },
    part: whole.parts.get(messageId)?.get(id)?.part ?? part,
  }))
}

function setIn<V>(maps: Map<string, Map<string, V>>, key: string, innerKey: string, value: V): void {
  const inner = maps.get(key) ?? new Map<string, V>()
  maps.set(key, inner.set(innerKey, value))
}
