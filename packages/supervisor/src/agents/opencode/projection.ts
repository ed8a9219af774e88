/**
 * From the agent's feed to the events of the log: those of the root session and its sub-agents, in one vocabulary.
 * Invariants: a delta never follows the part's end; tool output that repeats itself in full is told once per
 * `coalesceMs` and part, its last state always; what was told of a message or part is known, so that reading the
 * history tells only what is new.
 */
import { createHash } from 'node:crypto'
import { type KilocodeData, messageInfoSchema, partSchema } from '@corral/protocol'
import { z } from 'zod'
import type { AgentMessage } from './api.ts'
import type { FeedEvent } from './feed.ts'

const told = [
  'message.updated',
  'message.removed',
  'message.part.updated',
  'message.part.delta',
  'message.part.removed',
  'session.created',
  'session.updated',
  'session.status',
  'session.diff',
  'session.error',
  'session.compacted',
  'todo.updated',
  'permission.asked',
  'permission.replied',
  'question.asked',
  'question.replied',
  'question.rejected',
  // What becomes of it is ours to say.
  'suggestion.shown',
]

const sessionSchema = z.looseObject({ info: z.looseObject({ id: z.string(), parentID: z.string().nullish() }) })
const partEventSchema = z.looseObject({ part: partSchema })
const messageEventSchema = z.looseObject({ info: messageInfoSchema })
const statusEventSchema = z.looseObject({ sessionID: z.string(), status: z.looseObject({ type: z.string() }) })
const partIdSchema = z.looseObject({ partID: z.string() })
const toolStateSchema = z.looseObject({ state: z.looseObject({ status: z.string() }) })
const endedSchema = z.looseObject({ time: z.looseObject({ end: z.number() }) })

type Part = z.infer<typeof partSchema>

export type Projection = {
  event(event: FeedEvent): void
  /** What the history says, as far as it was not told. */
  history(message: AgentMessage): void
  /** The root and all sub-agents that are known. */
  sessions(): ReadonlySet<string>
  addSession(id: string): void
  /** Tells what is held back. */
  flush(): void
}

export function createProjection(options: {
  root: string
  coalesceMs: number
  emit(data: KilocodeData): void
}): Projection {
  const { root, coalesceMs, emit } = options
  const sessions = new Set([root])
  /** Hash of the last full state that was told, by message or part id. */
  const known = new Map<string, string>()
  const ended = new Set<string>()
  const held = new Map<string, { timer: NodeJS.Timeout; update: KilocodeData | null }>()

  function belongs({ type, properties }: FeedEvent): boolean {
    if (type === 'session.created' || type === 'session.updated') {
      const session = sessionSchema.safeParse(properties)
      if (!session.success) return false
      const { id, parentID } = session.data.info
      if (parentID && sessions.has(parentID)) sessions.add(id)
      return sessions.has(id)
    }
    const id = sessionOf(properties)
    return id !== undefined && sessions.has(id)
  }

  /** True when this state was not told before. */
  function news(id: string, state: unknown): boolean {
    const hash = createHash('sha1').update(canonical(state)).digest('base64')
    if (known.get(id) === hash) return false
    known.set(id, hash)
    return true
  }

  function updatePart(part: Part, data: KilocodeData): void {
    if (isSettled(part)) ended.add(part.id)
    const holding = held.get(part.id)
    if (toolStatus(part) !== 'running') {
      if (holding) drop(part.id)
      emit(data)
    } else if (holding) {
      holding.update = data
    } else {
      emit(data)
      hold(part.id)
    }
  }

  /** From now on updates of this part wait; the last one is told when the time is over. */
  function hold(partId: string): void {
    const timer = setTimeout(() => {
      const update = held.get(partId)?.update
      held.delete(partId)
      if (!update) return
      emit(update)
      hold(partId)
    }, coalesceMs)
    held.set(partId, { timer, update: null })
  }

  function drop(partId: string): void {
    clearTimeout(held.get(partId)?.timer)
    held.delete(partId)
  }

  return {
    sessions: () => sessions,
    addSession: (id) => sessions.add(id),
    event(event) {
      if (!told.includes(event.type) || !belongs(event)) return
      const data: KilocodeData = { type: event.type, properties: event.properties }
      const part = event.type === 'message.part.updated' && partEventSchema.safeParse(event.properties).data?.part
      if (part) {
        news(part.id, part)
        return updatePart(part, data)
      }
      if (event.type === 'message.updated') {
        const info = messageEventSchema.safeParse(event.properties).data?.info
        if (info && !news(info.id, info)) return
      }
      if (event.type === 'session.status') {
        const status = statusEventSchema.safeParse(event.properties).data
        if (status && !news(`status of ${status.sessionID}`, status.status)) return
      }
      const partId = partIdSchema.safeParse(event.properties).data?.partID
      if (event.type === 'message.part.delta' && partId && ended.has(partId)) return
      if (event.type === 'message.part.removed' && partId) drop(partId)
      emit(data)
    },
    history({ info, parts }) {
      if (news(info.id, info)) emit({ type: 'message.updated', properties: { sessionID: info.sessionID, info } })
      for (const part of parts) {
        // A text that is still written lags behind its deltas in the history; its end will say all of it.
        if (info.role === 'assistant' && !isSettled(part) && toolStatus(part) === undefined) continue
        if (!news(part.id, part)) continue
        updatePart(part, { type: 'message.part.updated', properties: { sessionID: part.sessionID, part } })
      }
    },
    flush() {
      for (const [partId, { update }] of held) {
        drop(partId)
        if (update) emit(update)
      }
    },
  }
}

const toolStatus = (part: Part): string | undefined => toolStateSchema.safeParse(part).data?.state.status

/** Texts and thoughts end with a time; tools with a state; the other kinds are told once. */
function isSettled(part: Part): boolean {
  if (part.type === 'text' || part.type === 'reasoning') return endedSchema.safeParse(part).success
  const status = toolStatus(part)
  return status === undefined || status === 'completed' || status === 'error'
}

/** Where an event says whose it is; OpenCode says it in `properties`, older forms in what the event carries. */
export function sessionOf(properties: FeedEvent['properties']): string | undefined {
  if (typeof properties.sessionID === 'string') return properties.sessionID
  return (
    partEventSchema.safeParse(properties).data?.part.sessionID ??
    messageEventSchema.safeParse(properties).data?.info.sessionID
  )
}

/** The feed and the history write the same state with its members in another order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}
