/**
 * What is known of a conversation: the pages that were read, grown by what the log has told since. Pure. Invariant: as far
 * as it reaches it is what the reducer makes of the whole log, whenever and in whatever order pages came.
 */
import {
  type AgentSessionId,
  type AskView,
  type askEventTypes,
  type Envelope,
  isAskEvent,
  type TranscriptPage,
  turnEventTypes,
} from '@corral/protocol'
import { type LogEvent, logEventOf, reduce, type Transcript } from '@corral/transcript'
import { type ConversationAsk, knownAsk, withAskEvent } from './asks.ts'

/** How far back a conversation is there: all of it, or up to this position. */
export type Reach = { before: number | null }

export type Picture = {
  /** The session's own conversation; others are its sub-agents'. */
  root: AgentSessionId
  logId: string
  /** The conversations that were read; nothing is kept of others. */
  reach: ReadonlyMap<string, Reach>
  transcript: Transcript
  /** As the agent has named it since; null when it has not. */
  title: string | null
  /** What is told of executions; `turnsOf` makes turns of it. */
  events: readonly LogEvent[]
  asks: ReadonlyMap<string, ConversationAsk>
}

export function opened(page: TranscriptPage, asks: readonly AskView[]): Picture {
  return {
    root: page.agentSessionId,
    logId: page.logId,
    reach: new Map([[page.agentSessionId, { before: page.before }]]),
    transcript: transcriptOf(page),
    title: null,
    events: page.events.map(logEventOf),
    asks: new Map(asks.map((ask) => [ask.id, knownAsk(ask)])),
  }
}

/** `events` in their order; those that are contained already are skipped. */
export function withEvents(picture: Picture, envelopes: readonly Envelope[]): Picture {
  const fresh = envelopes.filter(({ eventId }) => eventId > picture.transcript.seq).map(logEventOf)
  const last = fresh.at(-1)
  if (!last) return picture
  const transcript = reduce(
    picture.transcript,
    fresh.filter((event) => isOf(event, picture.reach)),
  )
  const turnEvents = fresh.filter(({ type }) => isTurnEvent(type))
  return {
    ...picture,
    transcript: { ...transcript, seq: last.seq },
    events: turnEvents.length === 0 ? picture.events : [...picture.events, ...turnEvents],
    title: fresh.reduce((title, event) => titleIn(event, picture.root) ?? title, picture.title),
    asks: fresh.reduce((asks, event) => (askKindOf(event) ? withAskEvent(asks, event) : asks), picture.asks),
  }
}

/** `since`: what the log has told after the page was asked for. The picture must have come at least as far as the page. */
export function withPage(picture: Picture, page: TranscriptPage, since: readonly Envelope[]): Picture {
  const grown = reduce(transcriptOf(page), since.map(logEventOf))
  const messages = new Map(picture.transcript.messages)
  const parts = new Map(picture.transcript.parts)
  for (const { info } of page.messages) {
    const message = grown.messages.get(info.id)
    if (message) messages.set(info.id, message)
    else messages.delete(info.id)
    const ofMessage = grown.parts.get(info.id)
    if (ofMessage) parts.set(info.id, ofMessage)
    else parts.delete(info.id)
  }
  // Of a conversation that was not kept until now, what came since has messages of its own.
  if (!picture.reach.has(page.agentSessionId)) {
    for (const [id, message] of grown.messages)
      if (message.info.sessionID === page.agentSessionId) messages.set(id, message)
    for (const [id, ofMessage] of grown.parts) if (messages.has(id) && !parts.has(id)) parts.set(id, ofMessage)
  }
  return {
    ...picture,
    reach: new Map(picture.reach).set(page.agentSessionId, { before: page.before }),
    transcript: { messages, parts, seq: picture.transcript.seq },
    events: page.events.length === 0 ? picture.events : merged(page.events.map(logEventOf), picture.events),
  }
}

function transcriptOf({ messages, seq }: TranscriptPage): Transcript {
  return {
    seq,
    messages: new Map(messages.map(({ parts: _, ...message }) => [message.info.id, message])),
    parts: new Map(
      messages.flatMap(({ info, parts }) =>
        parts.length === 0 ? [] : [[info.id, new Map(parts.map((part) => [part.part.id, part]))]],
      ),
    ),
  }
}

function merged(one: readonly LogEvent[], other: readonly LogEvent[]): LogEvent[] {
  const bySeq = new Map([...one, ...other].map((event) => [event.seq, event]))
  return [...bySeq.values()].toSorted((a, b) => a.seq - b.seq)
}

const turnTypes: ReadonlySet<string> = new Set(turnEventTypes)
const isTurnEvent = (type: string) => turnTypes.has(type)

type Kilocode = {
  type: string
  properties: {
    sessionID?: string
    info?: { sessionID?: string; id?: string; title?: unknown }
    part?: { sessionID?: string }
  }
}
const isKilocode = (data: unknown): data is Kilocode =>
  typeof data === 'object' && data !== null && 'type' in data && 'properties' in data

/** Whether it tells of a message that belongs to a conversation which is read. Our own `queued` is the session's. */
function isOf({ type, data }: LogEvent, reach: ReadonlyMap<string, Reach>): boolean {
  if (type !== 'kilocode' || !isKilocode(data)) return type === 'queued'
  const { sessionID, info, part } = data.properties
  const whose = info?.sessionID ?? part?.sessionID ?? sessionID
  return whose !== undefined && reach.has(whose)
}

function titleIn({ type, data }: LogEvent, root: string): string | null {
  if (type !== 'kilocode' || !isKilocode(data) || data.type !== 'session.updated') return null
  const { id, title } = data.properties.info ?? {}
  return id === root && typeof title === 'string' ? title : null
}

function askKindOf({ type, data }: LogEvent): (typeof askEventTypes)[number] | null {
  return type === 'kilocode' && isKilocode(data) && isAskEvent(data.type) ? data.type : null
}
