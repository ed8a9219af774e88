/**
 * One execution as a stream of flat events, for the deprecated names: a view of the log like every other. It ends after
 * the event that ends the execution and what finalization says; a failure is thrown at the end. Closing it stops nothing.
 */
import {
  CorralError,
  type Envelope,
  type ExecutionFailure,
  type ExecutionId,
  executionIdSchema,
  type SessionId,
  sessionIdSchema,
} from '@corral/protocol'
import { tracked } from '@trpc/server'
import type { Standing, Standings } from '../../identity/standings.ts'
import type { Frame } from '../../log/envelope.ts'
import type { Log } from '../../log/log.ts'
import type { Sessions } from '../../sessions/sessions.ts'

/** Where to follow from: everything after that number. */
export type Place = { sessionId: SessionId; executionId: ExecutionId; after: number }

/** What may be streamed to whom. */
export type AdmittedStream = { place: Place; standing: Standing }

export type FlatEvent = { streamEventType: string; sessionId: SessionId; timestamp: string } & Record<string, unknown>

/** Thrown once the event of the failure has been sent; becomes the last frame. */
export class ExecutionFailed extends Error {
  readonly failure: ExecutionFailure
  readonly sessionId: SessionId

  constructor(sessionId: SessionId, failure: ExecutionFailure) {
    super(failure.message)
    this.name = 'ExecutionFailed'
    this.failure = failure
    this.sessionId = sessionId
  }
}

/** How often it is asked whether finalization is over, which no event says. */
const overPollMs = 250

export type StreamDependencies = {
  log: Pick<Log, 'follow' | 'replay' | 'lastSeq'>
  sessions: Pick<Sessions, 'progress' | 'onDeleted'>
  standings: Pick<Standings, 'watch'>
}

export async function* streamExecution(
  { log, sessions, standings }: StreamDependencies,
  { place: { sessionId, executionId, after }, standing }: AdmittedStream,
  signal: AbortSignal,
) {
  /** Nothing more is to come, or may be seen. */
  const over = new AbortController()
  const end = (isEnd: boolean) => void (isEnd && over.abort())
  const forgetDeletions = sessions.onDeleted((id) => end(id === sessionId))
  let mayLook = true
  const forgetStanding = standings.watch(standing, () => {
    mayLook = false
    over.abort()
  })

  let asking = false
  /** Asks until there is nothing more. What cannot be answered now is asked again. */
  async function askWhetherOver(): Promise<void> {
    if (asking) return
    asking = true
    while (!over.signal.aborted) {
      await sessions.progress(sessionId, executionId).then(
        (progress) => end(progress?.over !== false),
        () => {},
      )
      await new Promise((resolve) => setTimeout(resolve, overPollMs))
    }
  }

  const shown = (frames: readonly Frame[]) =>
    frames
      .filter((frame) => frame.executionId === undefined || frame.executionId === executionId)
      .map((frame) => tracked(placeText({ sessionId, executionId, after: frame.seq }), flat(frame)))

  let cursor = after
  try {
    const begun = await sessions.progress(sessionId, executionId)
    if (begun?.ended !== false) void askWhetherOver()
    for await (const frames of log.follow(sessionId, { after, signal: AbortSignal.any([signal, over.signal]) })) {
      yield* shown(frames)
      cursor = frames.at(-1)?.seq ?? cursor
      if (frames.some((frame) => frame.executionId === executionId && mayEnd(frame))) void askWhetherOver()
    }
    if (signal.aborted) return
    const ended = await sessions.progress(sessionId, executionId)
    if (!ended || !mayLook) throw new CorralError('session_not_found')
    for await (const frames of log.replay(sessionId, { after: cursor, upTo: await log.lastSeq(sessionId) })) {
      yield* shown(frames)
    }
    if (ended.failure) throw new ExecutionFailed(sessionId, ended.failure)
  } finally {
    over.abort()
    forgetDeletions()
    forgetStanding()
  }
}

/** Whether to ask if it is over; an `error` may be a report in the middle. */
const mayEnd = (frame: Frame) =>
  frame.type === 'complete' || frame.type === 'interrupted' || frame.type === 'error' || frame.type === 'finalization'

/** The envelope without its envelope. */
function flat(frame: Frame): FlatEvent {
  const { streamEventType, sessionId, timestamp, data }: Envelope = JSON.parse(frame.text)
  return streamEventType === 'kilocode'
    ? { streamEventType, sessionId, timestamp, payload: data }
    : { ...data, streamEventType, sessionId, timestamp }
}

const placeText = ({ sessionId, executionId, after }: Place) => `${sessionId}:${executionId}:${after}`

/** Of an SSE id that we have given; null for any other. */
export function readPlace(id: string): Place | null {
  const [session, execution, seq = '', more] = id.split(':')
  const sessionId = sessionIdSchema.safeParse(session)
  const executionId = executionIdSchema.safeParse(execution)
  if (!sessionId.success || !executionId.success || !/^\d{1,15}$/.test(seq) || more !== undefined) return null
  return { sessionId: sessionId.data, executionId: executionId.data, after: Number(seq) }
}
