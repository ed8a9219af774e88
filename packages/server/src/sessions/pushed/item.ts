/**
 * One item of a push, as it came in: whether it can be taken, under which key it is kept, how final it is, and what it
 * becomes in the log. Pure. Its digest is made of its key and its exact text, so equal items are known without keeping
 * both.
 */
import { createHash } from 'node:crypto'
import {
  type AgentSessionId,
  type BlobReference,
  limits,
  type PushedItemType,
  pushedItemSchemas,
  pushedItemTypes,
  type SkipReason,
} from '@corral/protocol'
import { z } from 'zod'
import { withoutNul } from '../../log/jsonText.ts'
import type { NewEvent } from '../../log/types.ts'

export type PushedItem = {
  index: number
  type: PushedItemType
  key: string
  /** Of two, the one with the lower number takes the place of none. */
  finality: number
  digest: Buffer
  /** Null where a table of the transcript has it. */
  text: string | null
  event: NewEvent | null
  /** What is too large for a row, named by `blobIdOf(digest)`. */
  blob: Buffer | null
  data: Record<string, unknown>
}

export type ReadItem = { kind: 'item'; item: PushedItem } | { kind: 'skipped'; index: number; reason: SkipReason }

export const blobIdOf = (digest: Buffer): string => digest.toString('hex')

const envelope = z.looseObject({ type: z.enum(pushedItemTypes), data: z.unknown() })
type Data = Record<string, unknown>

/** `now` in Unix milliseconds, for messages that do not say when they were made. */
export function readItem(given: unknown, index: number, session: AgentSessionId, now: number): ReadItem {
  const skipped = (reason: SkipReason): ReadItem => ({ kind: 'skipped', index, reason })
  const outer = envelope.safeParse(given)
  if (!outer.success) return skipped('unknown_type')
  const { type } = outer.data
  const parsed = pushedItemSchemas[type].safeParse(outer.data.data)
  if (!parsed.success) return skipped('invalid_item')
  const content = parsed.data
  const data: Data = Array.isArray(content) ? {} : content
  const text = withoutNul(JSON.stringify(content))
  if (Buffer.byteLength(text) > limits.pushedItemBytes) return skipped('too_large')

  const key = keyOf(type, data)
  const digest = createHash('sha256').update(key).update('\n').update(text).digest()
  const stored = contentOf(type, { data, text, session, now })
  const large = stored !== null && Buffer.byteLength(stored.text) > limits.rowBytes
  const blob = large ? Buffer.from(stored.text) : null
  const reference = blob && { id: blobIdOf(digest), bytes: blob.length }
  const event = stored && eventOf(type, reference ? stored.short(reference) : stored.text, data, session)
  return {
    kind: 'item',
    item: {
      index,
      type,
      key,
      finality: finalityOf(type, data),
      digest,
      text: inTranscript.has(type) ? null : reference ? JSON.stringify({ blob: reference }) : text,
      event,
      blob,
      data,
    },
  }
}

function keyOf(type: PushedItemType, data: Data): string {
  if (type === 'message') return `message/${data.id}`
  if (type === 'part') return `${data.messageID}/${data.id}`
  if (type === 'agent_notification') return `${type}/${data.id}`
  return type
}

/** Message and part are in the tables of their names, and so is the session object. */
const inTranscript: ReadonlySet<PushedItemType> = new Set(['message', 'part', 'session'])

type Content = { text: string; short(blob: BlobReference): string }

/** What the log and the tables hold of it: with the members that their readers rely on. Null: it is not in the log. */
function contentOf(
  type: PushedItemType,
  { data, text, session, now }: { data: Data; text: string; session: AgentSessionId; now: number },
): Content | null {
  const content = (whole: Data, kept: Data): Content => ({
    text: withoutNul(JSON.stringify(whole)),
    short: (blob) => JSON.stringify({ ...kept, blob }),
  })
  switch (type) {
    case 'message': {
      const role = data.role === 'user' ? 'user' : 'assistant'
      const time = { created: now, ...member(data.time) }
      if (typeof time.created !== 'number') time.created = now
      const kept = { id: data.id, sessionID: session, role, time }
      return content({ ...data, ...kept }, kept)
    }
    case 'part': {
      const known = typeof data.type === 'string' && data.type !== '' && data.type.length <= 100
      const kept = { id: data.id, sessionID: session, messageID: data.messageID, type: known ? data.type : 'unknown' }
      return content({ ...data, ...kept }, kept)
    }
    case 'session':
      return content({ ...data, id: session }, { id: session })
    case 'session_diff':
    case 'model':
      return { text, short: (blob) => JSON.stringify({ blob }) }
    case 'session_status':
      return { text, short: () => text }
    default:
      return null
  }
}

/** `content` is JSON already. */
function eventOf(type: PushedItemType, content: string, data: Data, session: AgentSessionId): NewEvent | null {
  const kilocode = (name: string, properties: string, entityId?: string): NewEvent => ({
    type: 'kilocode',
    entityId,
    data: `{"type":"${name}","properties":{"sessionID":"${session}",${properties}}}`,
  })
  switch (type) {
    case 'message':
      return kilocode('message.updated', `"info":${content}`)
    case 'part':
      return kilocode('message.part.updated', `"part":${content}`, String(data.id))
    case 'session':
      return kilocode('session.updated', `"info":${content}`)
    case 'session_diff':
      return kilocode('session.diff', `"diff":${content}`)
    case 'session_status':
      return kilocode('session.status', `"status":${JSON.stringify({ type: data.status })}`)
    default:
      return null
  }
}

/** What has ended is not undone by its own earlier states; of two session objects the later one stands. */
function finalityOf(type: PushedItemType, data: Data): number {
  const time = member(data.time)
  if (type === 'message') return typeof time.completed === 'number' ? 1 : 0
  if (type === 'session') return typeof time.updated === 'number' ? Math.trunc(clamped(time.updated)) : 0
  if (type !== 'part') return 0
  const { status } = member(data.state)
  return status === 'completed' || status === 'error' || typeof time.end === 'number' ? 1 : 0
}

const clamped = (value: number) => Math.min(Math.max(value, 0), Number.MAX_SAFE_INTEGER)

function member(value: unknown): Data {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
