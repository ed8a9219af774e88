/**
 * A user's sessions, kept current by the metadata feed, which tells that something has changed and has no replay.
 * Invariants: it is connected while somebody listens, and only then; what a former connection still brings is void; a
 * lost connection is taken up again after 250 ms doubling to 4 s with jitter, for ever, but for a refusal for good.
 */
import { type MetadataFrame, metadataFrameSchema, type SessionRow } from '@corral/protocol'
import { CorralCallError } from '../callError.ts'
import { type Connection, connect } from '../connection.ts'
import { pause } from '../pause.ts'
import { createReader, type Reader, type ReaderTimers } from './reader.ts'
import type { SessionsSource } from './source.ts'

export type SessionsState = {
  sessions: readonly SessionRow[]
  /** True until the first list is there, and while the server cannot be read. */
  isStale: boolean
  /** Why nothing more will come, such as a key that was revoked. */
  ended: CorralCallError | null
}

export type LiveSessions = {
  state(): SessionsState
  /** Connects with the first listener and closes after the last; returns what ends the listening. */
  subscribe(listener: (state: SessionsState) => void): () => void
}

export type LiveSessionsTimers = ReaderTimers & {
  firstDelayMs: number
  longestDelayMs: number
  calmMs: number
  openMs: number
  silenceMs: number
  pongMs: number
}

const defaultTimers: LiveSessionsTimers = {
  firstDelayMs: 250,
  longestDelayMs: 4_000,
  calmMs: 10_000,
  openMs: 10_000,
  silenceMs: 30_000,
  pongMs: 10_000,
  listAgainMs: 1_000,
  staleMs: 30_000,
  rowAgainMs: 100,
}

export function liveSessions(source: SessionsSource, timers: LiveSessionsTimers = defaultTimers): LiveSessions {
  let state: SessionsState = { sessions: [], isStale: true, ended: null }
  const listeners = new Set<(state: SessionsState) => void>()
  let generation: AbortController | null = null

  function show(next: SessionsState): void {
    state = next
    for (const listener of [...listeners]) listener(state)
  }

  function start(): void {
    const mine = new AbortController()
    generation = mine
    const end = (error: CorralCallError) => {
      if (mine.signal.aborted) return
      mine.abort()
      show({ ...state, ended: error })
    }
    const reader = createReader({
      source,
      timers,
      signal: mine.signal,
      onChange: () => show({ sessions: [...reader.picture().rows.values()], isStale: reader.isStale(), ended: null }),
      onEnd: end,
    })
    void attend(source, reader, timers, mine.signal).then((error) => error && end(error))
  }

  return {
    state: () => state,
    subscribe(listener) {
      // A listener of its own for each call, so that one function may listen twice.
      const own = (next: SessionsState) => listener(next)
      listeners.add(own)
      if (!generation) start()
      return () => {
        listeners.delete(own)
        if (listeners.size > 0) return
        generation?.abort()
        generation = null
      }
    },
  }
}

/** Resolves when `signal` aborts, or with why it cannot go on. */
async function attend(
  source: SessionsSource,
  reader: Reader,
  timers: LiveSessionsTimers,
  signal: AbortSignal,
): Promise<CorralCallError | null> {
  let delayMs = timers.firstDelayMs
  while (!signal.aborted) {
    const begun = performance.now()
    try {
      const code = await watch(source, reader, timers, signal)
      if (code === 4403) return new CorralCallError('unauthorized', 'Access to these sessions has ended.')
    } catch (error) {
      if (!(error instanceof CorralCallError)) throw error
      if (error.isFinal) return error
    }
    if (performance.now() - begun >= timers.calmMs) delayMs = timers.firstDelayMs
    await pause(delayMs * (0.5 + Math.random() / 2), signal)
    delayMs = Math.min(delayMs * 2, timers.longestDelayMs)
  }
  return null
}

/** One connection, until it ends; its close code. */
async function watch(
  source: SessionsSource,
  reader: Reader,
  timers: LiveSessionsTimers,
  signal: AbortSignal,
): Promise<number | null> {
  const opening = AbortSignal.any([AbortSignal.timeout(timers.openMs), signal])
  const ticket = await source.ticket(opening)
  const protocols = ['corral.v1', `corral.ticket.${ticket}`]
  const connection = await connect(source.feedUrl, protocols, opening, framesIn)
  if (!connection) return null
  signal.addEventListener('abort', connection.close)
  try {
    await take(connection, reader, timers)
  } finally {
    signal.removeEventListener('abort', connection.close)
    connection.close()
  }
  return connection.closeCode()
}

async function take(
  connection: Connection<MetadataFrame>,
  reader: Reader,
  timers: Pick<LiveSessionsTimers, 'silenceMs' | 'pongMs'>,
): Promise<void> {
  let asked = false
  for (;;) {
    const frames = await connection.take(asked ? timers.pongMs : timers.silenceMs)
    if (frames === null) return
    if (frames.length === 0) {
      // A peer that has vanished looks like one that has nothing to say.
      if (asked) return
      connection.send(JSON.stringify({ type: 'ping' }))
      asked = true
      continue
    }
    asked = false
    for (const frame of frames) note(frame, reader)
  }
}

function note(frame: MetadataFrame, reader: Reader): void {
  if (frame.type === 'pong') return
  switch (frame.event) {
    case 'ready':
    case 'resync':
      reader.all()
      break
    case 'session.deleted':
      reader.deleted(frame.data.sessionId, frame.data.revision)
      break
    default:
      reader.changed(frame.data.session.sessionId, frame.data.revision)
  }
}

/** A server that is newer may send what is not known here. */
function framesIn(text: string): MetadataFrame[] {
  const frame = metadataFrameSchema.safeParse(JSON.parse(text))
  return frame.success ? [frame.data] : []
}
