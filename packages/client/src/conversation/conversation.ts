/**
 * A conversation that opens with its newest messages, stays current by the log, and reads on backwards when asked.
 * Invariants: it is connected while somebody listens, and only then; what it shows is never older than what was before,
 * but for a log whose history was replaced; a page enters when the stream has come as far as it.
 */
import type { AskView, Envelope, TranscriptPage } from '@corral/protocol'
import { CorralCallError } from '../callError.ts'
import type { StreamBatch } from '../follow.ts'
import { pause } from '../pause.ts'
import { opened, type Picture, withEvents, withPage } from './picture.ts'

export type ConversationState =
  /** `trouble`: why it has not opened yet; it is tried again. */
  | { phase: 'opening'; trouble: CorralCallError | null }
  | { phase: 'open'; picture: Picture; link: 'connecting' | 'live' | 'lost' }
  /** Nothing more will come: it is deleted, or access has ended. */
  | { phase: 'ended'; error: CorralCallError }

export type Conversation = {
  state(): ConversationState
  /** Connects with the first listener and closes after the last; returns what ends the listening. */
  subscribe(listener: () => void): () => void
  /**
   * The page before what is there of this conversation; its newest one, when it is a sub-agent's that was not read yet.
   * Resolves when it is shown; throws what refused it.
   */
  read(agentSessionId: string): Promise<void>
}

export type ConversationSource = {
  page(which: { agentSessionId?: string; before?: number }, signal: AbortSignal): Promise<TranscriptPage>
  asks(signal: AbortSignal): Promise<AskView[]>
  follow(from: number, signal: AbortSignal): AsyncIterable<StreamBatch>
}

export type ConversationOptions = {
  /** When what has come is shown: at once, or with the next frame of a screen. */
  settle?: (show: () => void) => void
}

const firstDelayMs = 250
const longestDelayMs = 8_000
const readMs = 15_000

export function createConversation(
  source: ConversationSource,
  { settle = (show) => show() }: ConversationOptions = {},
): Conversation {
  let state: ConversationState = { phase: 'opening', trouble: null }
  const listeners = new Set<() => void>()
  let life: AbortController | null = null
  /** Came, and is not shown yet. */
  let waiting: Envelope[] = []
  /** How far the stream has come; some numbers have no event. */
  let reached = 0
  const reads = new Map<string, { since: Envelope[]; done: Promise<void> }>()
  /** Pages that are ahead of the stream. */
  let ahead: { seq: number; enter: () => void }[] = []

  function show(next: ConversationState): void {
    state = next
    for (const listener of [...listeners]) listener()
  }

  function flush(): void {
    if (state.phase !== 'open' || waiting.length === 0) return
    const events = waiting
    waiting = []
    show({ ...state, picture: withEvents(state.picture, events) })
  }

  function take(events: readonly Envelope[]): void {
    const isFirst = waiting.length === 0
    waiting.push(...events)
    for (const { since } of reads.values()) since.push(...events)
    reach(events.at(-1)?.eventId ?? 0)
    if (isFirst) settle(flush)
  }

  function reach(seq: number): void {
    reached = Math.max(reached, seq)
    const ready = ahead.filter((page) => page.seq <= reached)
    ahead = ahead.filter((page) => page.seq > reached)
    for (const { enter } of ready) enter()
  }

  /** Null when it was opened in vain, as when the log was replaced meanwhile. */
  async function attend(signal: AbortSignal): Promise<void> {
    const page = await source.page({}, signal)
    const asks = await source.asks(signal)
    waiting = []
    reached = page.seq
    show({ phase: 'open', picture: opened(page, asks), link: 'connecting' })
    for await (const batch of source.follow(page.seq, signal)) {
      if (state.phase !== 'open') return
      switch (batch.kind) {
        case 'events':
          take(batch.events)
          break
        case 'connected':
          if (batch.state.logId !== page.logId) return
          reach(batch.state.lastEventId)
          if (state.link !== 'live') show({ ...state, link: 'live' })
          break
        case 'disconnected':
          if (state.link !== 'lost') show({ ...state, link: 'lost' })
          break
        case 'restarted':
          return
      }
    }
  }

  async function live(signal: AbortSignal): Promise<void> {
    let delayMs = firstDelayMs
    while (!signal.aborted) {
      try {
        await attend(signal)
        delayMs = firstDelayMs
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof CorralCallError)) throw error
        if (error.isFinal) return show({ phase: 'ended', error })
        show({ phase: 'opening', trouble: error })
        await pause(delayMs * (0.5 + Math.random() / 2), signal)
        delayMs = Math.min(delayMs * 2, longestDelayMs)
      }
    }
  }

  async function readOn(agentSessionId: string, since: Envelope[]): Promise<void> {
    if (state.phase !== 'open' || !life) return
    const { reach: known, logId } = state.picture
    const before = known.get(agentSessionId)?.before
    if (before === null) return
    const signal = AbortSignal.any([life.signal, AbortSignal.timeout(readMs)])
    const page = await source.page({ agentSessionId, ...(before !== undefined && { before }) }, signal)
    if (page.seq > reached) {
      await new Promise<void>((enter, refuse) => {
        ahead.push({ seq: page.seq, enter })
        signal.addEventListener('abort', () => refuse(signal.reason))
      })
    }
    flush()
    if (state.phase === 'open' && state.picture.logId === logId && page.logId === logId) {
      show({ ...state, picture: withPage(state.picture, page, since) })
    }
  }

  return {
    state: () => state,
    subscribe(listener) {
      const own = () => listener()
      listeners.add(own)
      if (!life) {
        life = new AbortController()
        void live(life.signal)
      }
      return () => {
        listeners.delete(own)
        if (listeners.size > 0) return
        life?.abort()
        life = null
      }
    },
    read(agentSessionId) {
      const under = reads.get(agentSessionId)
      if (under) return under.done
      const since: Envelope[] = []
      const done = readOn(agentSessionId, since).finally(() => reads.delete(agentSessionId))
      reads.set(agentSessionId, { since, done })
      return done
    },
  }
}
