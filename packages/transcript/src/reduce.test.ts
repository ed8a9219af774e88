import { newExecutionId } from '@corral/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Change, changesOf, type LogEvent } from './change.ts'
import { reduce } from './reduce.ts'
import { numbered, type SentEvent, sentEvents } from './testing/randomLog.ts'
import { emptyTranscript, orderedMessages, type Transcript } from './transcript.ts'

const whole = (log: readonly LogEvent[]) => reduce(emptyTranscript, log)
const kilocode = (type: string, properties: object): SentEvent => ({ type: 'kilocode', data: { type, properties } })
const message = (id: string, more: object = {}) =>
  kilocode('message.updated', { info: { id, sessionID: 'ses_1', role: 'assistant', time: { created: 1 }, ...more } })
const part = (messageID: string, id: string, more: object = {}) =>
  kilocode('message.part.updated', { part: { id, sessionID: 'ses_1', messageID, type: 'text', text: '', ...more } })
const delta = (messageID: string, partID: string, text: string, field = 'text') =>
  kilocode('message.part.delta', { sessionID: 'ses_1', messageID, partID, field, delta: text })
const removed = (messageID: string, partID?: string) =>
  kilocode(partID === undefined ? 'message.removed' : 'message.part.removed', {
    sessionID: 'ses_1',
    messageID,
    partID,
  })

/** Ids of messages, each with the texts of its parts. */
const texts = (events: SentEvent[]) =>
  orderedMessages(whole(numbered(events))).map(({ message: { info }, parts }) => [info.id, ...parts.map((p) => p.text)])

describe('the transcript', () => {
  test('grows with the deltas of a part, on top of its last full update', () => {
    expect(
      texts([
        message('m'),
        part('m', 'p', { text: 'He' }),
        delta('m', 'p', 'll'),
        part('m', 'p', { text: 'Hell' }),
        delta('m', 'p', 'o'),
      ]),
    ).toEqual([['m', 'Hello']])
  })

  test('takes a full update as the whole, also when it is shorter', () => {
    expect(
      texts([message('m'), part('m', 'p'), delta('m', 'p', 'Hello  '), part('m', 'p', { text: 'Hello' })]),
    ).toEqual([['m', 'Hello']])
  })

  test('has nothing of deltas for what was never opened, has ended, is no text, or would change what the part is', () => {
    const ended = { text: 'done', time: { start: 1, end: 2 } }
    expect(texts([message('m'), delta('m', 'p', 'x')])).toEqual([['m']])
    expect(texts([message('m'), part('m', 'p', ended), delta('m', 'p', 'x')])).toEqual([['m', 'done']])
    expect(texts([message('m'), part('m', 'p', { type: 'tool' }), delta('m', 'p', 'x')])).toEqual([['m', '']])
    const { parts } = whole(numbered([part('m', 'p'), delta('m', 'p', 'x', 'id'), delta('m', 'p', 'x', '__proto__')]))
    expect(parts.get('m')?.get('p')?.part).toEqual({
      id: 'p',
      sessionID: 'ses_1',
      messageID: 'm',
      type: 'text',
      text: '',
    })
  })

  test('holds parts that come before their message until it is there', () => {
    const early = [part('m', 'p', { text: 'early' }), delta('m', 'p', ' bird')]
    expect(texts(early)).toEqual([])
    expect(texts([...early, message('m')])).toEqual([['m', 'early bird']])
  })

  test('is in the order in which messages and parts first came', () => {
    expect(
      texts([message('2'), message('1'), part('1', 'b', { text: 'b' }), part('1', 'a', { text: 'a' }), message('2')]),
    ).toEqual([['2'], ['1', 'b', 'a']])
  })

  test('forgets what is removed; what comes again is new, and last', () => {
    const before = [message('1'), part('1', 'p', { text: 'old' }), part('1', 'q', { text: 'q' }), message('2')]
    expect(texts([...before, removed('1', 'p'), part('1', 'p', { text: 'new' })])).toEqual([['1', 'q', 'new'], ['2']])
    expect(texts([...before, removed('1'), message('1')])).toEqual([['2'], ['1']])
  })

  test('has the user’s message from the moment it is queued, and then as the agent tells it', () => {
    const executionId = newExecutionId()
    const data = { executionId, messageId: 'u', partId: 'p', agentSessionId: 'ses_1', text: 'Mend it' }
    const log = numbered([{ type: 'queued', executionId, data }, message('u', { role: 'user', agent: 'build' })])
    const [first] = orderedMessages(whole(log.slice(0, 1)))
    expect(first).toMatchObject({ message: { executionId, info: { role: 'user' } }, parts: [{ text: 'Mend it' }] })
    const [second] = orderedMessages(whole(log))
    expect(second).toMatchObject({ message: { executionId, info: { agent: 'build' } }, parts: [{ text: 'Mend it' }] })
  })

  test('leaves the one before as it was, and shares with it what did not change', () => {
    const log = numbered([message('1'), part('1', 'p'), message('2'), part('2', 'q'), delta('2', 'q', 'x')])
    const before = whole(log.slice(0, 4))
    const copy = structuredClone(before)
    const after = reduce(before, log)
    expect(before).toEqual(copy)
    expect(after.messages).toBe(before.messages)
    expect(after.parts.get('1')).toBe(before.parts.get('1'))
    expect(after.parts.get('2')).not.toBe(before.parts.get('2'))
  })

  test('says loudly that an event is not in the vocabulary', () => {
    expect(() => whole(numbered([kilocode('message.updated', { info: { id: 'm' } })]))).toThrow('sessionID')
  })
})

describe('applying the log', () => {
  const logs = sentEvents.map(numbered)

  test('from any cursor gives the same transcript, whatever of it is seen twice', () => {
    fc.assert(
      fc.property(logs, (log) => {
        const expected = whole(log)
        for (let cursor = 0; cursor <= log.length; cursor++) {
          const seen = whole(log.slice(0, cursor))
          expect(reduce(seen, log.slice(cursor))).toEqual(expected)
          expect(reduce(seen, log.slice(Math.floor(cursor / 2)))).toEqual(expected)
        }
      }),
    )
  })

  test('gives the same in whichever batches', () => {
    fc.assert(
      fc.property(logs, fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 60, maxLength: 60 }), (log, sizes) => {
        let transcript = emptyTranscript
        for (let from = 0; from < log.length; ) {
          const size = sizes.pop() ?? 1
          const before = structuredClone(transcript)
          const next = reduce(transcript, log.slice(from, from + size))
          expect(transcript).toEqual(before)
          transcript = next
          from += size
        }
        expect(transcript).toEqual(whole(log))
      }),
    )
  })

  test('gives for every part its last full update and the deltas since, as a look at the whole log tells', () => {
    fc.assert(
      fc.property(logs, (log) => {
        const { parts } = whole(log)
        for (const [messageId, partId] of [...partsNamedIn(log), ['x', 'x'] as const]) {
          expect(parts.get(messageId)?.get(partId)).toEqual(lookedUp(log, messageId, partId))
        }
      }),
    )
  })

  test('gives the same before and after compaction, from any cursor', () => {
    fc.assert(
      fc.property(logs, (log) => {
        const expected = content(whole(log))
        const compacted = compact(log)
        expect(compacted.flatMap(changesOf).some(({ change }) => change === 'delta')).toBe(false)
        for (let cursor = 0; cursor <= log.length; cursor++) {
          expect(content(reduce(whole(log.slice(0, cursor)), compacted))).toEqual(expected)
        }
        expect(compact(compacted)).toEqual(compacted)
      }),
    )
  })
})

/** Compaction gives new numbers at the end of the log. */
const content = ({ messages, parts }: Transcript) => ({ messages, parts })

type Known = { messageId: string; partId: string; last: 'update' | 'delta' | 'removed' }

/** As 10-engine says it: a full update for each part whose last delta is newer than its last one; then deltas go. */
function compact(log: readonly LogEvent[]): LogEvent[] {
  const transcript = whole(log)
  const known = new Map<string, Known>()
  for (const change of log.flatMap(changesOf)) {
    const named = nameOf(change)
    if (named) known.set(JSON.stringify([named.messageId, named.partId]), named)
  }
  let seq = log.length
  const updates = [...known.values()].flatMap(({ messageId, partId, last }): LogEvent[] => {
    const grown = transcript.parts.get(messageId)?.get(partId)
    if (last !== 'delta' || !grown) return []
    seq += 1
    return [{ ...kilocode('message.part.updated', { part: grown.part }), seq, at: 0 }]
  })
  const kept = log.filter((event) => !changesOf(event).some(({ change }) => change === 'delta'))
  // Some deltas change nothing, and are no change; compaction takes them all.
  return [...kept.filter((event) => !isDelta(event)), ...updates]
}

const isDelta = (event: LogEvent) => JSON.stringify(event.data).startsWith('{"type":"message.part.delta"')

function nameOf(change: Change): Known | null {
  switch (change.change) {
    case 'part':
      return { messageId: change.part.messageID, partId: change.part.id, last: 'update' }
    case 'delta':
      return { messageId: change.messageId, partId: change.partId, last: 'delta' }
    case 'removePart':
      return { messageId: change.messageId, partId: change.partId, last: 'removed' }
    default:
      return null
  }
}

const partsNamedIn = (log: readonly LogEvent[]) =>
  log
    .flatMap(changesOf)
    .map(nameOf)
    .filter((named) => named !== null)
    .map(({ messageId, partId }) => [messageId, partId] as const)

/** What a part must be, said without a reducer. */
function lookedUp(log: readonly LogEvent[], messageId: string, partId: string) {
  const changes = log.flatMap((event) => changesOf(event).map((change) => ({ seq: event.seq, change })))
  const gone = changes.findLast(
    ({ change }) =>
      (change.change === 'removeMessage' && change.messageId === messageId) ||
      (change.change === 'removePart' && change.messageId === messageId && change.partId === partId),
  )
  const since = changes.filter(({ seq }) => seq > (gone?.seq ?? 0))
  const updates = since.flatMap(({ seq, change }) =>
    change.change === 'part' && change.part.messageID === messageId && change.part.id === partId
      ? [{ seq, part: change.part }]
      : [],
  )
  const [first] = updates
  const last = updates.at(-1)
  if (!first || !last) return undefined
  const added = since.flatMap(({ seq, change }) =>
    seq > last.seq && change.change === 'delta' && change.messageId === messageId && change.partId === partId
      ? [change.text]
      : [],
  )
  const { part } = last
  const ended = JSON.stringify(part.time ?? {}).includes('"end"')
  const open = ['text', 'reasoning'].includes(part.type) && !ended
  const grown = open && added.length > 0 ? { text: `${part.text ?? ''}${added.join('')}` } : {}
  return { part: { ...part, ...grown }, position: first.seq }
}
