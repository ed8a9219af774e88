/**
 * Parts that are still open: their rows hold the last full update, and the deltas that came since are in the log. Here
 * they are put together, by the reducer of `transcript`.
 */
import type { SessionId } from '@corral/protocol'
import { changesOf, type LogEvent, reduce, type Transcript } from '@corral/transcript'
import { and, eq, gt, inArray } from 'drizzle-orm'
import { event } from '../../database/schema.ts'
import type { Orm } from '../../database/transaction.ts'

/** The `seq` of the last full update of open parts, by message and part. */
export type OpenParts = ReadonlyMap<string, ReadonlyMap<string, number>>

export async function grown(
  orm: Pick<Orm, 'select'>,
  session: SessionId,
  full: Pick<Transcript, 'messages' | 'parts'>,
  open: OpenParts,
): Promise<Transcript> {
  return reduce({ ...full, seq: 0 }, await deltasOf(orm, session, open))
}

/**
 * The deltas of these parts since the last full update that is given for each. One range scan of
 * `event_session_id_seq_pk`, from the oldest of these updates on.
 */
async function deltasOf(orm: Pick<Orm, 'select'>, session: SessionId, open: OpenParts): Promise<LogEvent[]> {
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
