/** Somebody who follows a session through the SDK, and remembers everything. */
import type { Corral, StreamItem } from '@corral/client'
import type { ConnectedFrame, Envelope, ExecutionId, SessionId } from '@corral/protocol'

export type Viewer = {
  events: Envelope[]
  connections: ConnectedFrame['data'][]
  /** The first event that matches, of those that came and those that come. */
  until(what: string, matches: (event: Envelope) => boolean, withinMs?: number): Promise<Envelope>
  ended(executionId: ExecutionId, withinMs?: number): Promise<Envelope>
  /** Resolves when the stream is over; rejects with what ended it. */
  over: Promise<void>
  close(): void
}

const patienceMs = 60_000

export function follow(corral: Corral, session: SessionId, options: { from?: number } = {}): Viewer {
  const events: Envelope[] = []
  const connections: ConnectedFrame['data'][] = []
  const leave = new AbortController()
  const waiting = new Set<() => void>()

  function take(item: StreamItem): void {
    if (item.kind === 'connected') connections.push(item.state)
    if (item.kind !== 'event') return
    events.push(item.event)
    for (const look of waiting) look()
  }

  async function read(): Promise<void> {
    for await (const item of corral.stream(session, { ...options, signal: leave.signal })) take(item)
  }
  const over = read()
  over.catch(() => {})

  function until(what: string, matches: (event: Envelope) => boolean, withinMs = patienceMs): Promise<Envelope> {
    let from = 0
    const { promise, resolve, reject } = Promise.withResolvers<Envelope>()
    const look = () => {
      const found = events.slice(from).find(matches)
      from = events.length
      if (found) resolve(found)
    }
    const timer = setTimeout(
      () => reject(new Error(`Waited ${withinMs} ms in vain for ${what}; the last events were ${tail(events)}.`)),
      withinMs,
    )
    over.catch(reject)
    waiting.add(look)
    look()
    return promise.finally(() => {
      clearTimeout(timer)
      waiting.delete(look)
    })
  }

  return {
    events,
    connections,
    until,
    ended: (executionId, withinMs) =>
      until(
        `the end of ${executionId}`,
        (event) => event.executionId === executionId && endingOf(event) !== null,
        withinMs,
      ),
    over,
    close: () => leave.abort(),
  }
}

/** How an event ends its execution; null when it does not. */
export function endingOf(event: Envelope): 'completed' | 'interrupted' | 'failed' | null {
  if (event.streamEventType === 'complete') return 'completed'
  if (event.streamEventType === 'interrupted') return 'interrupted'
  return event.streamEventType === 'error' && event.data.reason !== undefined ? 'failed' : null
}

const tail = (events: Envelope[]): string =>
  events
    .slice(-5)
    .map((event) => JSON.stringify(event).slice(0, 300))
    .join('\n')
