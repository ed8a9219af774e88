/**
 * Reads the transcript's tables, as of one moment: full states from the rows, and on top of those parts that are still
 * open the deltas that came since. Invariant: what is read is what the reducer of `transcript` makes of the log.
 */
import type { ExecutionId, SessionId, StreamEventType } from '@corral/protocol'
import {
  type LogEvent,
  mayGrow,
  reduce,
  type Transcript,
  type TranscriptMessage,
  type TranscriptPart,
} from '@corral/transcript'
import { and, eq, inArray, sql } from 'drizzle-orm'
import { sessionUuid } from '../database/columns.ts'
import { message, part, sessionHead } from '../database/schema.ts'
import type { Orm } from '../database/transaction.ts'

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
      const open: OpenPart[] = []
      for (const row of partRows) {
        const ofMessage = parts.get(row.messageId) ?? new Map<string, TranscriptPart>()
        const found = { part: JSON.parse(row.data), position: row.position }
        parts.set(row.messageId, ofMessage.set(row.id, found))
        if (mayGrow(found.part)) open.push(row)
      }
      const grown = reduce({ messages, parts, seq: 0 }, await eventsAbout(tx, session, open))
      return { ...grown, seq: head?.seq ?? 0 }
    },
    // A transcript that is made of several moments would be none.
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )
}

type OpenPart = { id: string; foldedSeq: number }

/**
 * What the log holds about these parts since their last full updates: nothing but deltas, or the rows would be newer.
 * One range scan of `event_session_id_seq_pk` from the oldest of them on.
 */
async function eventsAbout(orm: Pick<Orm, 'execute'>, session: SessionId, open: OpenPart[]): Promise<LogEvent[]> {
  if (open.length === 0) return []
  const ids = open.map(({ id }) => id)
  const foldedSeqs = open.map(({ foldedSeq }) => foldedSeq)
  const { rows } = await orm.execute<{ seq: number; type: StreamEventType; data: string }>(sql`
    select e.seq, e.type, e.data
    from event e
    join unnest(${sql.param(ids)}::text[], ${sql.param(foldedSeqs)}::bigint[]) part (id, folded_seq)
      on part.id = e.entity_id and e.seq > part.folded_seq
    where e.session_id = ${sessionUuid(session)} and e.seq > ${Math.min(...foldedSeqs)}
    order by e.seq`)
  return rows.map(({ seq, type, data }) => ({ seq, type, data: JSON.parse(data), at: 0 }))
}
