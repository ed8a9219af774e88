/**
 * Writes the transcript's tables: the last full state of each message and part, in the transaction of the event that
 * changed it. Deltas change no row; `readTranscript.ts` folds those that came after a part's last full update.
 */
import type { SessionId } from '@corral/protocol'
import { changesOf, type LogEvent, type TranscriptMessage, type TranscriptPart } from '@corral/transcript'
import { z } from 'zod'
import { sessionUuid } from '../../database/columns.ts'
import { together } from '../../database/together.ts'
import type { Tx } from '../../database/transaction.ts'
import type { StoredEvent } from '../../log/types.ts'

/** What a batch makes of a row. `removed`: what was there before it goes, and the row begins anew. */
type RowChange<Row> = { removed: boolean; row: Row | null }
type MessageRow = TranscriptMessage & { changedSeq: number }
type MessageChange = RowChange<MessageRow> & { parts: Map<string, RowChange<PartRow>> }
type PartRow = TranscriptPart & { foldedSeq: number }
type Changes = Map<SessionId, Map<string, MessageChange>>

/** A batch without messages and full updates, as most are, costs no query. */
export async function applyTranscript(tx: Tx, events: readonly StoredEvent[]): Promise<void> {
  const messages = [...changesIn(events)].flatMap(([session, ofSession]) =>
    [...ofSession].map(([id, change]) => ({ session: sessionUuid(session), id, ...change })),
  )
  const parts = messages.flatMap(({ session, id: messageId, parts }) =>
    [...parts].map(([id, change]) => ({ session, messageId, id, ...change })),
  )
  // Each sends its statements before it waits for anything, so they are run in this order.
  await together([
    upsertInfos(tx, events),
    removeMessages(
      tx,
      messages.filter(({ removed }) => removed),
    ),
    removeParts(
      tx,
      parts.filter(({ removed }) => removed),
    ),
    upsertMessages(
      tx,
      messages.flatMap(({ session, id, row }) => (row ? [{ session, id, row }] : [])),
    ),
    upsertParts(
      tx,
      parts.flatMap(({ session, messageId, id, row }) => (row ? [{ session, messageId, id, row }] : [])),
    ),
  ])
}

/** Deltas are the bulk of a stream. As the log writes them they are told by their beginning, without being parsed. */
export const isDelta = (stored: Pick<StoredEvent, 'data'>) => stored.data.startsWith('{"type":"message.part.delta"')

/** Only the last state of each row, since an upsert may touch a row once. */
function changesIn(events: readonly StoredEvent[]): Changes {
  const changes: Changes = new Map()
  for (const stored of events) {
    if ((stored.type !== 'kilocode' && stored.type !== 'queued') || isDelta(stored)) continue
    const ofSession = changes.get(stored.sessionId) ?? new Map<string, MessageChange>()
    changes.set(stored.sessionId, ofSession)
    noteChanges(ofSession, { ...stored, data: JSON.parse(stored.data), at: stored.at.getTime() })
  }
  return changes
}

function noteChanges(messages: Map<string, MessageChange>, event: LogEvent): void {
  const { seq } = event
  function of(messageId: string): MessageChange {
    const known = messages.get(messageId) ?? { removed: false, row: null, parts: new Map() }
    messages.set(messageId, known)
    return known
  }

  for (const change of changesOf(event)) {
    switch (change.change) {
      case 'message': {
        const { info } = change
        const noted = of(info.id)
        const executionId = noted.row?.executionId ?? change.executionId
        noted.row = { info, position: noted.row?.position ?? seq, executionId, changedSeq: seq }
        break
      }
      case 'part': {
        const { parts } = of(change.part.messageID)
        const { removed = false, row } = parts.get(change.part.id) ?? {}
        const position = row?.position ?? seq
        parts.set(change.part.id, { removed, row: { part: change.part, position, foldedSeq: seq } })
        break
      }
      case 'removeMessage':
        messages.set(change.messageId, { removed: true, row: null, parts: new Map() })
        break
      case 'removePart':
        of(change.messageId).parts.set(change.partId, { removed: true, row: null })
        break
      case 'delta':
        break
    }
  }
}

const sessionUpdate = z.looseObject({ properties: z.looseObject({ info: z.looseObject({ id: z.string() }) }) })

/** What the agent says of the session itself; of its sub-agents' sessions nothing is kept. */
async function upsertInfos(tx: Tx, events: readonly StoredEvent[]): Promise<void> {
  const last = new Map<string, { session: SessionId; id: string; info: string }>()
  for (const { type, data, sessionId: session } of events) {
    if (type !== 'kilocode' || !data.startsWith('{"type":"session.updated"')) continue
    const { info } = sessionUpdate.parse(JSON.parse(data)).properties
    last.set(`${session} ${info.id}`, { session, id: info.id, info: JSON.stringify(info) })
  }
  if (last.size === 0) return
  const rows = [...last.values()]
  await tx.client.query({
    name: 'upsert_session_infos',
    text: `insert into session_info (session_id, info)
      select u.session_id, u.info
      from unnest($1::uuid[], $2::text[], $3::text[]) u (session_id, agent_session_id, info)
      join session s on s.id = u.session_id and s.agent_session_id = u.agent_session_id
      on conflict (session_id) do update set info = excluded.info`,
    values: [rows.map(({ session }) => sessionUuid(session)), rows.map(({ id }) => id), rows.map(({ info }) => info)],
  })
}

type MessageKey = { session: string; id: string }
type PartKey = { session: string; messageId: string; id: string }

async function upsertMessages(tx: Tx, rows: (MessageKey & { row: MessageRow })[]): Promise<void> {
  if (rows.length === 0) return
  await tx.client.query({
    name: 'upsert_messages',
    text: `insert into message (session_id, id, position, execution_id, agent_session_id, role, info, changed_seq)
      select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
                           $8::bigint[])
      on conflict (session_id, id) do update set
        info = excluded.info, role = excluded.role, agent_session_id = excluded.agent_session_id,
        changed_seq = excluded.changed_seq, execution_id = coalesce(message.execution_id, excluded.execution_id)`,
    values: [
      rows.map(({ session }) => session),
      rows.map(({ id }) => id),
      rows.map(({ row }) => row.position),
      rows.map(({ row }) => row.executionId),
      rows.map(({ row }) => row.info.sessionID),
      rows.map(({ row }) => row.info.role),
      rows.map(({ row }) => JSON.stringify(row.info)),
      rows.map(({ row }) => row.changedSeq),
    ],
  })
}

async function upsertParts(tx: Tx, rows: (PartKey & { row: PartRow })[]): Promise<void> {
  if (rows.length === 0) return
  await tx.client.query({
    name: 'upsert_parts',
    text: `insert into part (session_id, message_id, id, position, type, data, folded_seq)
      select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[])
      on conflict (session_id, message_id, id) do update set
        type = excluded.type, data = excluded.data, folded_seq = excluded.folded_seq`,
    values: [
      rows.map(({ session }) => session),
      rows.map(({ messageId }) => messageId),
      rows.map(({ id }) => id),
      rows.map(({ row }) => row.position),
      rows.map(({ row }) => row.part.type),
      rows.map(({ row }) => JSON.stringify(row.part)),
      rows.map(({ row }) => row.foldedSeq),
    ],
  })
}

/** With all their parts, which a prefix of the key of `part` finds. */
async function removeMessages(tx: Tx, keys: MessageKey[]): Promise<void> {
  if (keys.length === 0) return
  const values = [keys.map(({ session }) => session), keys.map(({ id }) => id)]
  await together([
    tx.client.query(
      `delete from part using unnest($1::uuid[], $2::text[]) gone (session_id, id)
       where part.session_id = gone.session_id and part.message_id = gone.id`,
      values,
    ),
    tx.client.query(
      `delete from message using unnest($1::uuid[], $2::text[]) gone (session_id, id)
       where message.session_id = gone.session_id and message.id = gone.id`,
      values,
    ),
  ])
}

async function removeParts(tx: Tx, keys: PartKey[]): Promise<void> {
  if (keys.length === 0) return
  await tx.client.query(
    `delete from part using unnest($1::uuid[], $2::text[], $3::text[]) gone (session_id, message_id, id)
     where part.session_id = gone.session_id and part.message_id = gone.message_id and part.id = gone.id`,
    [keys.map(({ session }) => session), keys.map(({ messageId }) => messageId), keys.map(({ id }) => id)],
  )
}
