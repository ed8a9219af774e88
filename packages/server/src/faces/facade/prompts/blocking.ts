/**
 * A prompt whose answer is the end of its turn. It is admitted like any other, and then only waited for: going away stops
 * nothing, and the same message again waits again. Once it is admitted the status is 200, and spaces keep what stands
 * between us and the client from taking the silence for an end.
 */
import { type ExecutionFailure, type ExecutionId, failures } from '@corral/protocol'
import type { Timers } from '../../../config.ts'
import type { Log } from '../../../log/log.ts'
import type { Root, Roots } from '../../../sessions/reads/roots.ts'
import type { Sessions } from '../../../sessions/sessions.ts'
import type { Messages } from '../../../sessions/transcript/messages.ts'
import { directoryOf } from '../directories.ts'
import type { Streams } from '../events/streams.ts'
import type { Projection } from '../projection.ts'
import { FacadeRefusal } from '../refusal.ts'
import type { SessionCall } from '../route.ts'
import { noAnswer } from './noAnswer.ts'
import { readPrompt } from './prompt.ts'

const longestSeconds = 3_600
const usualSeconds = 600

type Dependencies = {
  sessions: Sessions
  roots: Roots
  messages: Messages
  projection: Projection
  log: Pick<Log, 'follow'>
  streams: Streams
  timers: Pick<Timers, 'waitedTurnMs'>
  beyond: boolean
}

export function blockingPrompt(deps: Dependencies) {
  const { sessions, log, streams, timers } = deps

  return async function prompt(call: SessionCall): Promise<Response> {
    const { caller, root, request } = call
    const waitMs = waitOf(request) * 1_000
    const { input, extras } = await readPrompt(request, directoryOf(root.agentSessionId), deps.beyond)
    const { executionId } = await sessions.send(caller, root.id, input, extras)
    const { stop, watch } = streams.open(caller, request.signal)
    watch(root.organizationId)
    const forget = sessions.onDeleted((id) => void (id === root.id && stop.abort()))
    stop.signal.addEventListener('abort', forget)
    const ended = Promise.race([
      endOf(executionId, root, AbortSignal.any([stop.signal, AbortSignal.timeout(waitMs)])),
      aborted(stop.signal),
    ])
    return spacesUntil(
      ended.then(async () => JSON.stringify(await answerOf(deps, root, executionId))),
      { spaceMs: timers.waitedTurnMs, reset: call.reset, stop },
    )
  }

  /** Resolves when it is over, or with the signal. */
  async function endOf(executionId: ExecutionId, root: Root, signal: AbortSignal): Promise<void> {
    const progress = await sessions.progress(root.id, executionId)
    if (!progress || progress.ended) return
    const filters = { executionIds: [executionId], types: ['complete', 'error', 'interrupted'] as const }
    for await (const _ of log.follow(root.id, { after: progress.queuedSeq, filters, signal })) {
      // An error may be a report in the middle.
      if ((await sessions.progress(root.id, executionId))?.ended !== false) return
    }
  }
}

function waitOf(request: Request): number {
  const asked = /(?:^|,)\s*wait=([^,;\s]*)/i.exec(request.headers.get('prefer') ?? '')?.[1]
  if (asked === undefined) return usualSeconds
  const seconds = /^\d{1,4}$/.test(asked) ? Number(asked) : 0
  if (seconds >= 1 && seconds <= longestSeconds) return seconds
  throw new FacadeRefusal('KILO_QUERY_INVALID', `Prefer: wait must be a whole number from 1 to ${longestSeconds}.`)
}

/** Rejects, since nothing may be told any more. */
const aborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

function spacesUntil(
  answer: Promise<string>,
  { spaceMs, reset, stop }: { spaceMs: number; reset(): void; stop: AbortController },
): Response {
  const encoder = new TextEncoder()
  let timer: NodeJS.Timeout | undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      timer = setInterval(() => controller.enqueue(encoder.encode(' ')), spaceMs)
      answer
        .then((text) => {
          // Who has gone takes nothing any more.
          if (!stop.signal.aborted) controller.enqueue(encoder.encode(text))
        }, reset)
        .finally(() => {
          clearInterval(timer)
          if (!stop.signal.aborted) controller.close()
          stop.abort()
        })
    },
    cancel() {
      clearInterval(timer)
      stop.abort()
    },
  })
  return new Response(body, { headers: { 'content-type': 'application/json; charset=utf-8' } })
}

/** The last message of the agent, with what went wrong; made up where the agent has written none. */
async function answerOf({ sessions, roots, messages, projection }: Dependencies, root: Root, executionId: ExecutionId) {
  const [progress, answer] = await Promise.all([
    sessions.progress(root.id, executionId),
    messages.lastAnswer(root, executionId),
  ])
  const error = errorOf(progress)
  const shown = projection.message(root, answer ?? (await noAnswer(roots, root, executionId)))
  return error && !shown.info.error ? { ...shown, info: { ...shown.info, error } } : shown
}

type MessageError = { name: 'UnknownError' | 'MessageAbortedError'; data: { message: string } }

function errorOf(
  progress: { ended: boolean; failure: ExecutionFailure | null; interrupted: boolean } | null,
): MessageError | null {
  if (!progress?.ended)
    return { name: 'UnknownError', data: { message: 'The turn is still running; ask again later.' } }
  if (progress.interrupted) return { name: 'MessageAbortedError', data: { message: failures.interrupted.sentence } }
  return progress.failure && { name: 'UnknownError', data: { message: progress.failure.message } }
}
