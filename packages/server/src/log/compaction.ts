/**
 * Compaction of an execution that has stopped: its text deltas go, and what they made stays. Rule: applying the log from
 * any cursor gives the same transcript before and after. So a part whose last delta is newer than its last full update
 * first gets a full update at the end of the log; then the deltas are deleted. What they were is kept on that update as
 * pairs of (step of number, length), so that a reader who stopped inside a text can still go on inside it.
 * Storage so grows with the transcript and not with the stream.
 */
import type { ExecutionId, Part, SessionId } from '@corral/protocol'
import { changesOf, reduce } from '@corral/transcript'
import { sessionUuid } from '../database/columns.ts'
import type { Tx } from '../database/transaction.ts'
import type { AppendIn } from './append.ts'
import { lockHead } from './heads.ts'

type Row = { seq: number; data: string; entity: string }

/** One statement holds its locks and its memory for this many rows at most. */
const chunkRows = 5_000

/** Takes the session's head. Returns how many deltas went. Repeating it is harmless. */
export async function compact(
  tx: Tx,
  appendIn: AppendIn,
  which: { sessionId: SessionId; executionId: ExecutionId },
): Promise<number> {
  const { sessionId, executionId } = which
  if (!(await lockHead(tx.client, sessionId))) return 0
  const deltas = await readDeltas(tx, sessionId, executionId)
  if (deltas.length === 0) return 0

  const updates = await lastUpdates(tx, sessionId, [...new Set(deltas.map(({ entity }) => entity))])
  for (const [key, ofPart] of byPart(deltas)) {
    const update = updates.get(key)
    // A part that was removed, or never opened: its deltas made nothing that could be kept.
    if (!update) continue
    const last = ofPart.at(-1)
    const keeper = last && last.seq > update.seq ? await appendWhole(tx, appendIn, which, update, ofPart) : update.seq
    await tx.client.query('update event set deltas = $3 where session_id = $1 and seq = $2', [
      sessionUuid(sessionId),
      keeper,
      JSON.stringify(trace(ofPart)),
    ])
  }
  for (let from = 0; from < deltas.length; from += chunkRows) {
    await tx.client.query('delete from event where session_id = $1 and seq = any($2::bigint[])', [
      sessionUuid(sessionId),
      deltas.slice(from, from + chunkRows).map(({ seq }) => seq),
    ])
  }
  return deltas.length
}

/** Deltas are told by their beginning: our own serialization puts the type first. Plan: a range of the primary key. */
async function readDeltas(tx: Tx, sessionId: SessionId, executionId: ExecutionId): Promise<Row[]> {
  const { rows } = await tx.client.query<Row>(
    `select seq, data, entity_id as entity from event
     where session_id = $1 and execution_id = $2 and type = 'kilocode' and entity_id is not null
       and data like '{"type":"message.part.delta"%'
     order by seq`,
    [sessionUuid(sessionId), executionId],
  )
  return rows
}

/** The last full update of each part; none where the last word is that it was removed. One look through the session. */
async function lastUpdates(tx: Tx, sessionId: SessionId, partIds: string[]): Promise<Map<string, Row>> {
  const { rows } = await tx.client.query<Row>(
    `select seq, data, entity_id as entity from event
     where session_id = $1 and entity_id = any($2) and type = 'kilocode'
       and data not like '{"type":"message.part.delta"%'
     order by seq`,
    [sessionUuid(sessionId), partIds],
  )
  const updates = new Map<string, Row>()
  for (const [key, ofPart] of byPart(rows)) {
    const last = ofPart.at(-1)
    if (last && partOf(last)) updates.set(key, last)
  }
  return updates
}

/** By message and part: an agent may use a part's id again in another message. */
function byPart(rows: Row[]): Map<string, Row[]> {
  const parts = new Map<string, Row[]>()
  for (const row of rows) {
    const key = partKey(row)
    const ofPart = parts.get(key)
    if (ofPart) ofPart.push(row)
    else parts.set(key, [row])
  }
  return parts
}

function partKey(row: Row): string {
  const [change] = changesOf({ seq: row.seq, type: 'kilocode', data: JSON.parse(row.data), at: 0 })
  switch (change?.change) {
    case 'part':
      return JSON.stringify([change.part.messageID, change.part.id])
    case 'delta':
    case 'removePart':
      return JSON.stringify([change.messageId, change.partId])
    default:
      throw new Error(`event ${row.seq} is about part ${row.entity}, but changes none`)
  }
}

/** The part as it is after its deltas, as an event of its own; returns the number of that event. */
async function appendWhole(
  tx: Tx,
  appendIn: AppendIn,
  { sessionId, executionId }: { sessionId: SessionId; executionId: ExecutionId },
  update: Row,
  deltas: Row[],
): Promise<number> {
  const part = partOf(update)
  if (!part) throw new Error(`event ${update.seq} of ${sessionId} is no update of a part`)
  const newer = deltas.filter(({ seq }) => seq > update.seq)
  const [seq] = await appendIn(tx, sessionId, [
    {
      type: 'kilocode',
      executionId,
      entityId: update.entity,
      data: JSON.stringify({ type: 'message.part.updated', properties: { part: grown(part, newer) } }),
    },
  ])
  if (seq === undefined) throw new Error(`the whole of part ${update.entity} of ${sessionId} was not stored`)
  return seq
}

/** As the reducer makes it, whose rules of what may grow are the only ones. `deltas`: those since its full update. */
function grown(part: Part, deltas: Row[]): Part {
  const parts = new Map([[part.messageID, new Map([[part.id, { part, position: 0 }]])]])
  const events = deltas.map(({ seq, data }) => ({ seq, type: 'kilocode' as const, data: JSON.parse(data), at: 0 }))
  const after = reduce({ messages: new Map(), parts, seq: 0 }, events)
  return after.parts.get(part.messageID)?.get(part.id)?.part ?? part
}

function partOf(row: Row): Part | undefined {
  const [change] = changesOf({ seq: row.seq, type: 'kilocode', data: JSON.parse(row.data), at: 0 })
  return change?.change === 'part' ? change.part : undefined
}

/** `[[step from the number before, length of the new characters], …]`; the first step is the number itself. */
function trace(deltas: Row[]): [number, number][] {
  let before = 0
  return deltas.map(({ seq, data }) => {
    const [change] = changesOf({ seq, type: 'kilocode', data: JSON.parse(data), at: 0 })
    const entry: [number, number] = [seq - before, change?.change === 'delta' ? change.text.length : 0]
    before = seq
    return entry
  })
}
