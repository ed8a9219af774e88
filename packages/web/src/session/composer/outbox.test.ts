import { describe, expect, test } from 'vitest'
import { keptOutbox, nextOutbox, type Outbox, type OutboxEvent, outboxFrom } from './outbox.ts'

const one = { clientId: 'one', prompt: 'Mend it' }
const two = { clientId: 'two', prompt: 'And that' }
const empty: Outbox = { draft: '', line: [], trouble: null }
const after = (...events: OutboxEvent[]): Outbox => events.reduce(nextOutbox, empty)
const sent: OutboxEvent = { event: 'sent', message: one }
const refused: OutboxEvent = { event: 'refused', clientId: 'one', why: 'No server.' }

describe('a message', () => {
  test('leaves the draft empty, and one goes on writing while it is sent', () => {
    const writing = after({ event: 'wrote', draft: 'Mend it' }, sent, { event: 'wrote', draft: 'And' })
    expect(writing).toEqual({ draft: 'And', line: [one], trouble: null })
    expect(nextOutbox(writing, { event: 'arrived', clientId: 'one' })).toEqual({ ...empty, draft: 'And' })
  })

  test('waits until the one before has arrived', () => {
    const both = after(sent, { event: 'sent', message: two })
    expect(both.line).toEqual([one, two])
    expect(nextOutbox(both, { event: 'arrived', clientId: 'one' }).line).toEqual([two])
    expect(nextOutbox(both, { event: 'arrived', clientId: 'two' })).toBe(both)
  })

  test('that did not arrive is sent again as the same one', () => {
    expect(after(sent, refused)).toEqual({ draft: '', line: [one], trouble: 'No server.' })
    expect(after(sent, refused, { event: 'tried again' })).toEqual({ draft: '', line: [one], trouble: null })
  })

  test('that is taken back is in the draft, in front of what was written since', () => {
    const back = after(sent, refused, { event: 'wrote', draft: 'more' }, { event: 'taken back' })
    expect(back).toEqual({ ...empty, draft: 'Mend it\nmore' })
    expect(after(sent, { event: 'taken back' }).line).toEqual([one])
  })

  test('is not touched by what becomes of another one', () => {
    expect(after(sent, { ...refused, clientId: 'two' })).toEqual(after(sent))
  })
})

describe('a reload', () => {
  test('keeps the draft', () => {
    expect(outboxFrom(keptOutbox(after({ event: 'wrote', draft: 'Half a' })))).toEqual({ ...empty, draft: 'Half a' })
  })

  test('keeps messages that were under way, to be sent again as the same ones', () => {
    const kept = outboxFrom(keptOutbox(after(sent, { event: 'sent', message: two })))
    expect(kept).toEqual({ draft: '', line: [one, two], trouble: expect.any(String) })
  })

  test.each([null, '', '{', '7', '{"draft":1}'])('begins anew with what is no outbox: %j', (kept) => {
    expect(outboxFrom(kept)).toEqual(empty)
  })

  test('leaves nothing behind when there is nothing to keep', () => {
    expect(keptOutbox(after())).toBeNull()
  })
})
