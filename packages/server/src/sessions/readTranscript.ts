/**
 * Reads the transcript's tables, as of one moment: full states from the rows, and on top of those parts that are still
 * open the deltas that came since. Invariant: what is read is what the reducer of `transcript` makes of the log.
 */
import type { ExecutionId, SessionId } from '@corral/protocol'
import {
  changesOf,
  type LogEvent,
  mayGrow,
  reduce,
  type Transcript,
  type TranscriptMessage,
  type TranscriptPart,
} from '@corral/transcript'
import { and, eq, gt, inArray } from 'drizzle-orm'
import { event, message, part, sessionHead } from '../database/schema.ts'
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
      const open = new Map<string, Map<string, number>>()
      for (const { messageId, id, data, position, foldedSeq } of partRows) {
        const found = { part: JSON.parse(data), position }
        setIn(parts, messageId, id, found)
        if (mayGrow(found.part)) setIn(open, messageId, id, foldedSeq)
      }
      const grown = reduce({ messages, parts, seq: 0 }, await deltasOf(tx, session, open))
      return { ...grown, seq: head?.seq ?? 0 }
    },
    // A transcript that is made of several moments would be none.
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )
}

function setIn<V>(maps: Map<string, Map<string, V>>, key: string, innerKey: string, value: V): void {
  const inner = maps.get(key) ?? new Map<string, V>()
  maps.set(key, inner.set(innerKey, value))
}

/**
 * The deltas of these parts, by message and part, since the last full update that is given for each. One range scan of
 * `event_session_id_seq_pk`, from the oldest of these updates on.
 */
async function deltasOf(
  orm: Pick<Orm, 'select'>,
  session: SessionId,
  open: ReadonlyMap<string, ReadonlyMap<string, number>>,
): Promise<LogEvent[]> {
  const ofParts = [...open.values()].flatMap((ofMessage) => [...ofMessage])
  if (ofParts.length === 0) return []
  const ids = ofParts.map(([id]) => id)
  const oldest = Math.min(...ofParts.map(([, foldedSeq]) => foldedSeq))
  const rows = await orm
    .select({ seq: event.seq, type: event.type, data: event.data, at: event.at })
    .from(event)
    .where(and(eq(event.sessionId, session), gt(event.seq, oldest), inArray(event.entityId, ids)))
    .orderBy(event.seq)
  return rows
    .map((row) => ({ ...row, data: JSON.parse(row.data), at: row.at.getTime() }))
    .filter((logged) =>
      changesOf(logged).some(
        (change) =>
          change.change === 'delta' &&
          logged.seq > (open.get(change.messageId)?.get(change.partId) ?? Number.POSITIVE_INFINITY),
      ),
    )
}
