/** The feeds: of one session with resume, of all of them, and of all in the form of the global feed. */
import type { SessionId } from '@corral/protocol'
import type { Logger } from 'pino'
import type { Log } from '../../../log/log.ts'
import type { Root, Roots } from '../../../sessions/reads/roots.ts'
import type { Projection } from '../projection.ts'
import type { Call, Route } from '../route.ts'
import { allSessions } from './allSessions.ts'
import { oneSession } from './oneSession.ts'
import { eventStream } from './sse.ts'
import type { Streams } from './streams.ts'

const commentMs = 10_000

export function eventRoutes(deps: {
  roots: Roots
  projection: Projection
  log: Pick<Log, 'follow' | 'replay' | 'listen' | 'lastSeq'>
  streams: Streams
  onDeleted(listener: (id: SessionId) => void): () => void
  logger: Logger
}): Route[] {
  const { log, streams } = deps

  function streamOf(frames: AsyncGenerator<string, void, undefined>, stop: AbortController, { reset }: Call): Response {
    return eventStream(frames, {
      commentMs,
      reset,
      gone: () => stop.abort(),
      failed: (error) => deps.logger.warn({ error }, 'a feed could not be read; its client will come back'),
    })
  }

  function one(call: Call, root: Root, global: boolean): Response {
    const { caller, request } = call
    const { stop, watch } = streams.open(caller, request.signal)
    watch(root.organizationId)
    const forget = deps.onDeleted((id) => void (id === root.id && stop.abort()))
    stop.signal.addEventListener('abort', forget)
    const lastEventId = request.headers.get('last-event-id')
    return streamOf(
      oneSession({ ...deps, caller, log }, root, { global, lastEventId, signal: stop.signal }),
      stop,
      call,
    )
  }

  function all(call: Call, global: boolean): Response {
    const { caller, request } = call
    const { stop, watch } = streams.open(caller, request.signal)
    const frames = allSessions(
      {
        ...deps,
        caller,
        origin: deps.projection.originOf(request),
        watch: ({ organizationId }) => watch(organizationId),
      },
      { global, signal: stop.signal },
    )
    return streamOf(frames, stop, call)
  }

  return [
    {
      method: 'GET',
      path: '/event',
      scope: 'sessions:read',
      on: 'selection',
      required: 'KILO_EVENT_DIRECTORY_REQUIRED',
      selectorCode: 'KILO_EVENT_SELECTOR_UNSUPPORTED',
      handle: async ({ root, ...call }) => (root ? one(call, root, false) : all(call, false)),
    },
    {
      method: 'GET',
      path: '/global/event',
      scope: 'sessions:read',
      on: 'selection',
      required: null,
      selectorCode: 'KILO_EVENT_SELECTOR_UNSUPPORTED',
      handle: async ({ root, ...call }) => (root ? one(call, root, true) : all(call, true)),
    },
  ]
}
