import { describe, expect, test } from 'vitest'
import { keptOutbox, nextOutbox, type Outbox, type OutboxEvent, outboxFrom } from './outbox.ts'

const message = { clientId: 'one', prompt: 'Mend it' }
const after = (...events: OutboxEvent[]): Outbox =>
  events.reduce(nextOutbox, { state: 'writing', draft: '' } satisfies Outbox as Outbox)
const sent: OutboxEvent = { event: 'sent', message }
const refused: OutboxEvent = { event: 'refused', clientId: 'one', why: 'No server.' }

describe('a message', () => {
  test('leaves the draft empty, and one goes on writing while it is sent', () => {
    const writing = after({ event: 'wrote', draft: 'Mend it' }, sent, { event: 'wrote', draft: 'And' })
    expect(writing).toEqual({ state: 'sending', draft: 'And', message })
    expect(nextOutbox(writing, { event: 'arrived', clientId: 'one' })).toEqual({ state: 'writing', draft: 'And' })
  })

  test('that did not arrive is sent again as the same one', () => {
    expect(after(sent, refused)).toMatchObject({ state: 'unsent', why: 'No server.' })
    expect(after(sent, refused, { event: 'tried again' })).toMatchObject({
      state: 'sending',
      message: { clientId: 'one' },
    })
  })

  test('that is taken back is in the draft, in front of what was written since', () => {
    const back = after(sent, refused, { event: 'wrote', draft: 'more' }, { event: 'taken back' })
    expect(back).toEqual({ state: 'writing', draft: 'Mend it\nmore' })
  })

  test('is one at a time', () => {
    expect(after(sent, { event: 'sent', message: { ...message, clientId: 'two' } })).toMatchObject({ message })
  })

  test('is not touched by what becomes of another one', () => {
    expect(after(sent, { ...refused, clientId: 'two' })).toMatchObject({ state: 'sending' })
  })
})

describe('a reload', () => {
  test('keeps the draft', () => {
    expect(outboxFrom(keptOutbox(after({ event: 'wrote', draft: 'Half a' })))).toEqual({
      state: 'writing',
      draft: 'Half a',
    })
  })

  test('keeps a message that was under way, to be sent again as the same one', () => {
    expect(outboxFrom(keptOutbox(after(sent)))).toMatchObject({ state: 'unsent', message })
  })

  test.each([null, '', '{', '7', '{"draft":1}'])('begins anew with what is no outbox: %j', (kept) => {
    expect(outboxFrom(kept)).toEqual({ state: 'writing', draft: '' })
  })

  test('leaves nothing behind when there is nothing to keep', () => {
    expect(keptOutbox(after())).toBeNull()
  })
})
