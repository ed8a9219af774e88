/**
 * The transcript's tables: the last full state of each message and part, upserted in the transaction of the event
 * that changed it. Deltas change no row; readers fold those that came after a part's last full update.
 */
import type { ExecutionId, SessionId } from '@corral/protocol'
import { changesOf, grown, type Transcript, type TranscriptMessage, type TranscriptPart } from '@corral/transcript'
import { and, asc, eq, gt, inArray } from 'drizzle-orm'
import { sessionUuid } from '../database/columns.ts'
import { event, message, part, sessionHead } from '../database/schema.ts'
import type { Orm, Tx } from '../database/transaction.ts'
import type { StoredEvent } from '../log/types.ts'

type MessageRow = {
  session: string
  id: string
  position: number
  executionId: ExecutionId | null
  agentSessionId: string
  role: string
  info: string
}
type PartRow = {
  session: string
  messageId: string
  id: string
  position: number
  type: string
  data: string
  foldedSeq: number
}

/** The changes of one batch, the last one of each row only: an upsert may touch a row once. */
type Changes = {
  messages: Map<string, MessageRow>
  parts: Map<string, PartRow>
  removedMessages: Map<string, { session: string; id: string }>
  removedParts: Map<string, { session: string; messageId: string; id: string }>
}

export async function applyTranscript(tx: Tx, events: StoredEvent[]): Promise<void> {
  const changes = collect(events)
  await removeAll(tx, changes)
  await upsertMessages(tx, [...changes.messages.values()])
  await upsertParts(tx, [...changes.parts.values()])
}

/** Deltas are the bulk of a stream and change no row: they are told by their beginning, without parsing. */
export const isDelta = (stored: Pick<StoredEvent, 'data'>) => stored.data.startsWith('{"type":"message.part.delta"')

function collect(events: StoredEvent[]): Changes {
  const changes: Changes = {
    messages: new Map(),
    parts: new Map(),
    removedMessages: new Map(),
    removedParts: new Map(),
  }
  for (const stored of events) {
    if ((stored.type !== 'kilocode' && stored.type !== 'queued') || isDelta(stored)) continue
    const session = sessionUuid(stored.sessionId)
    const logged = { ...stored, data: JSON.parse(stored.data), at: stored.at.getTime() }
    for (const change of changesOf(logged)) {
      switch (change.change) {
        case 'message': {
          const key = `${session} ${change.info.id}`
          changes.messages.set(key, {
            session,
            id: change.info.id,
            position: changes.messages.get(key)?.position ?? stored.seq,
            executionId: change.executionId,
            agentSessionId: change.info.sessionID,
            role: change.info.role,
            info: JSON.stringify(change.info),
          })
          break
        }
        case 'part': {
          const key = `${session} ${change.part.messageID} ${change.part.id}`
          changes.removedParts.delete(key)
          changes.parts.set(key, {
            session,
            messageId: change.part.messageID,
            id: change.part.id,
            position: changes.parts.get(key)?.position ?? stored.seq,
            type: change.part.type,
            data: JSON.stringify(change.part),
            foldedSeq: stored.seq,
          })
          break
        }
        case 'removeMessage': {
          const key = `${session} ${change.messageId}`
          changes.messages.delete(key)
          for (const partKey of changes.parts.keys()) if (partKey.startsWith(`${key} `)) changes.parts.delete(partKey)
          changes.removedMessages.set(key, { session, id: change.messageId })
          break
        }
        case 'removePart': {
          const key = `${session} ${change.messageId} ${change.partId}`
          changes.parts.delete(key)
          changes.removedParts.set(key, { session, messageId: change.messageId, id: change.partId })
          break
        }
        case 'delta':
          break
      }
    }
  }
  return changes
}

async function upsertMessages(tx: Tx, rows: MessageRow[]): Promise<void> {
  if (rows.length === 0) return
  await tx.client.query({
    name: 'upsert_messages',
    text: `insert into message (session_id, id, position, execution_id, agent_session_id, role, info)
      select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
      on conflict (session_id, id) do update set
        info = excluded.info, role = excluded.role, agent_session_id = excluded.agent_session_id,
        execution_id = coalesce(message.execution_id, excluded.execution_id)`,
    values: [
      rows.map((row) => row.session),
      rows.map((row) => row.id),
      rows.map((row) => row.position),
      rows.map((row) => row.executionId),
      rows.map((row) => row.agentSessionId),
      rows.map((row) => row.role),
      rows.map((row) => row.info),
    ],
  })
}

async function upsertParts(tx: Tx, rows: PartRow[]): Promise<void> {
  if (rows.length === 0) return
  await tx.client.query({
    name: 'upsert_parts',
    text: `insert into part (session_id, message_id, id, position, type, data, folded_seq)
      select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[])
      on conflict (session_id, message_id, id) do update set
        type = excluded.type, data = excluded.data, folded_seq = excluded.folded_seq`,
    values: [
      rows.map((row) => row.session),
      rows.map((row) => row.messageId),
      rows.map((row) => row.id),
      rows.map((row) => row.position),
      rows.map((row) => row.type),
      rows.map((row) => row.data),
      rows.map((row) => row.foldedSeq),
    ],
  })
}

async function removeAll(tx: Tx, { removedMessages, removedParts }: Changes): Promise<void> {
  for (const { session, id } of removedMessages.values()) {
    await tx.client.query('delete from part where session_id = $1 and message_id = $2', [session, id])
    await tx.client.query('delete from message where session_id = $1 and id = $2', [session, id])
  }
  for (const { session, messageId, id } of removedParts.values()) {
    await tx.client.query('delete from part where session_id = $1 and message_id = $2 and id = $3', [
      session,
      messageId,
      id,
    ])
  }
}

/** The transcript as of now, or only the messages of one execution. */
export async function readTranscript(orm: Orm, id: SessionId, executionId?: ExecutionId): Promise<Transcript> {
  // One snapshot: a transcript that is made of several moments would be none.
  return orm.transaction(
    async (tx) => {
      const [head] = await tx
        .select({ seq: sessionHead.lastSeq })
        .from(sessionHead)
        .where(eq(sessionHead.sessionId, id))
      const messageRows = await tx
        .select()
        .from(message)
        .where(and(eq(message.sessionId, id), executionId ? eq(message.executionId, executionId) : undefined))
        .orderBy(asc(message.position))
      const ids = messageRows.map((row) => row.id)
      const partRows =
        ids.length === 0
          ? []
          : await tx
              .select()
              .from(part)
              .where(and(eq(part.sessionId, id), inArray(part.messageId, ids)))
              .orderBy(asc(part.position))
      const parts = new Map<string, Map<string, TranscriptPart>>()
      for (const row of partRows) {
        const ofMessage = parts.get(row.messageId) ?? new Map<string, TranscriptPart>()
        ofMessage.set(row.id, { part: JSON.parse(row.data), position: row.position, foldedSeq: row.foldedSeq })
        parts.set(row.messageId, ofMessage)
      }
      const growing = messageRows
        .filter((row) => row.role === 'assistant')
        .flatMap((row) => [...(parts.get(row.id)?.values() ?? [])])
        .filter(mayGrow)
      await foldDeltas(tx, id, parts, growing)
      const messages = new Map<string, TranscriptMessage>(
        messageRows.map((row) => [
          row.id,
          {
            id: row.id,
            info: JSON.parse(row.info),
            position: row.position,
            executionId: row.executionId,
            parts: parts.get(row.id) ?? new Map(),
          },
        ]),
      )
      return { messages, seq: head?.seq ?? 0 }
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )
}

/** Only text and reasoning of the agent grow, and only until they have an end. */
function mayGrow({ part: { type, time } }: TranscriptPart): boolean {
  return (type === 'text' || type === 'reasoning') && !hasEnd(time)
}

async function foldDeltas(
  orm: Pick<Orm, 'select'>,
  id: SessionId,
  parts: Map<string, Map<string, TranscriptPart>>,
  open: TranscriptPart[],
): Promise<void> {
  if (open.length === 0) return
  const from = Math.min(...open.map(({ foldedSeq }) => foldedSeq))
  const deltas = await orm
    .select({ seq: event.seq, data: event.data, entityId: event.entityId, type: event.type })
    .from(event)
    .where(
      and(
        eq(event.sessionId, id),
        gt(event.seq, from),
        inArray(
          event.entityId,
          open.map(({ part: { id: partId } }) => partId),
        ),
      ),
    )
    .orderBy(asc(event.seq))
  for (const row of deltas) {
    for (const change of changesOf({ seq: row.seq, type: row.type, data: JSON.parse(row.data), at: 0 })) {
      if (change.change !== 'delta') continue
      const known = parts.get(change.messageId)?.get(change.partId)
      if (!known || row.seq <= known.foldedSeq) continue
      parts.get(change.messageId)?.set(change.partId, grown(known, change.field, change.text, row.seq))
    }
  }
}

function hasEnd(time: unknown): boolean {
  return typeof time === 'object' && time !== null && 'end' in time && typeof time.end === 'number'
}
