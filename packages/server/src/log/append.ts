/**
 * The log's second door, for everybody who appends inside a transaction of their own. The events get the next numbers
 * of their session, are on disk with the caller's commit, and are published after it. A key that the session has
 * already is not appended again.
 */
import { CorralError, type SessionId } from '@corral/protocol'
import { together } from '../database/together.ts'
import type { Tx } from '../database/transaction.ts'
import { advanceHead, lockHead } from './heads.ts'
import { insertEvents, numbered, withoutKnown } from './insert.ts'
import { withoutNul } from './jsonText.ts'
import type { LogSink, NewEvent, Redact, StoredEvent } from './types.ts'

/**
 * Returns the number of each event, new or old. Locks the session's head until the end of the transaction, so
 * whoever appends to several sessions does so in the order of their ids.
 */
export type AppendIn = (tx: Tx, session: SessionId, events: readonly NewEvent[]) => Promise<number[]>

export function createAppend(options: {
  sink: Pick<LogSink, 'apply'>
  redact: Redact
  publish(events: readonly StoredEvent[]): void
}): AppendIn {
  const { sink, redact, publish } = options

  return async function appendIn(tx, session, events) {
    if (events.length === 0) return []
    const head = await lockHead(tx.client, session)
    if (!head) throw new CorralError('session_not_found')
    const { fresh, numbers } = await withoutKnown(tx.client, head, readable(session, events))
    const stored = numbered(head, fresh)
    const last = stored.at(-1)
    if (!last) return numbers
    await together([insertEvents(tx.client, stored), advanceHead(tx.client, session, last.seq), sink.apply(tx, stored)])
    tx.afterCommit(() => publish(stored))
    return numbers
  }

  function readable(session: SessionId, events: readonly NewEvent[]): NewEvent[] {
    const parsed = events.map((event) => ({ event, data: JSON.parse(event.data) as unknown }))
    return redact(session, parsed).map(({ event, data }, i) => {
      const text = data === parsed[i]?.data ? event.data : JSON.stringify(data)
      return { ...event, data: withoutNul(text) }
    })
  }
}
