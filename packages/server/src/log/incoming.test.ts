import { type EventsFrame, limits, newExecutionId, newSessionId } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import { readIncoming } from './incoming.ts'

const session = newSessionId()
const read = (events: EventsFrame['events']) => readIncoming({ session, epoch: 2, from: 5, events })
const part = (fields: object) => ({ id: 'prt_1', sessionID: 'ses_1', messageID: 'msg_1', ...fields })
const updated = (fields: object) => ({
  type: 'kilocode',
  data: { type: 'message.part.updated', properties: { part: part(fields) } },
})

describe('an event of a supervisor', () => {
  test('is stored under its number with the text of its data', () => {
    const executionId = newExecutionId()
    const [first, second] = read([
      { type: 'output', executionId, data: { content: 'hello', source: 'stdout', more: [1] } },
      { type: 'output', data: { content: 'world', source: 'stderr' } },
    ])
    expect(first).toEqual({
      kind: 'plain',
      n: 5,
      bytes: 48,
      progress: false,
      event: {
        type: 'output',
        executionId,
        data: '{"content":"hello","source":"stdout","more":[1]}',
        origin: { epoch: 2, n: 5 },
      },
    })
    expect(second).toMatchObject({ n: 6, event: { origin: { epoch: 2, n: 6 } } })
  })

  test.each([
    ['text', true],
    ['reasoning', true],
    ['tool', true],
    ['step-start', false],
    ['retry', false],
  ])('about a part of type %s names the part; it is progress: %s', (type, progress) => {
    expect(read([updated({ type })])).toMatchObject([{ progress, event: { entityId: 'prt_1' } }])
  })

  test('that is a delta or removes a part names the part', () => {
    const properties = { sessionID: 'ses_1', messageID: 'msg_1', partID: 'prt_2' }
    expect(
      read([
        {
          type: 'kilocode',
          data: { type: 'message.part.delta', properties: { ...properties, field: 'text', delta: 'x' } },
        },
        { type: 'kilocode', data: { type: 'message.part.removed', properties } },
      ]),
    ).toMatchObject([
      { progress: true, event: { entityId: 'prt_2' } },
      { progress: false, event: { entityId: 'prt_2' } },
    ])
  })

  test('of the life of an execution goes to the sessions', () => {
    const data = { executionId: newExecutionId(), attempt: 1 }
    expect(read([{ type: 'accepted', data }])).toMatchObject([
      { kind: 'admit', event: { n: 5, type: 'accepted', data } },
    ])
  })

  test('has U+FFFD where it had U+0000, also in what the sessions get to see', () => {
    const [plain, admit] = read([
      { type: 'output', data: { content: 'a\0b\\u0000', source: 'stdout' } },
      { type: 'status', data: { message: 'a\0b' } },
    ])
    expect(plain).toMatchObject({ event: { data: '{"content":"a\ufffdb\\\\u0000","source":"stdout"}' } })
    expect(admit).toMatchObject({ event: { data: { message: 'a\ufffdb' } } })
  })
})

describe('what may not be stored', () => {
  const circular: Record<string, unknown> = { source: 'stdout', content: '' }
  circular.self = circular

  test.each([
    ['an unknown type', { type: 'gossip', data: { secret: 'hunter22' } }],
    ['a type that only the server writes', { type: 'complete', data: { secret: 'hunter22' } }],
    ['an error that would end an execution', { type: 'error', data: { error: 'hunter22', reason: 'sandbox_lost' } }],
    ['data of another form', { type: 'output', data: { secret: 'hunter22' } }],
    ['an agent’s event of another form', updated({ type: 7, secret: 'hunter22' })],
    [
      'an execution id that is none',
      { type: 'output', executionId: 'hunter22', data: { content: '', source: 'stdout' } },
    ],
    ['a type that is a member of every object', { type: 'toString', data: { secret: 'hunter22' } }],
    ['data that cannot be written', { type: 'output', data: circular }],
  ])('%s becomes an error that names the type and tells nothing of the content', (_what, event) => {
    const [stored] = read([event])
    if (stored?.kind !== 'rejected') throw new Error('it was not rejected')
    expect(stored.event).toMatchObject({ type: 'error', origin: { epoch: 2, n: 5 } })
    const data = JSON.parse(stored.event.data)
    expect(data).toEqual({ error: expect.stringContaining(event.type), details: { rejectedType: event.type } })
    expect(stored.event.data).not.toContain('hunter22')
  })

  test('an event above 8 MiB', () => {
    const event = { type: 'output', data: { content: 'ä'.repeat(limits.eventBytes / 2), source: 'stdout' } }
    const [stored] = read([event])
    expect(stored).toMatchObject({ kind: 'rejected', why: 'it is larger than 8 MiB' })
    expect(stored?.bytes).toBeLessThan(300)
  })

  test('a type of any length, cut', () => {
    const [stored] = read([{ type: '\0'.repeat(5_000_000), data: {} }])
    expect(stored?.bytes).toBeLessThan(1_000)
    expect(stored?.event).toMatchObject({ data: expect.not.stringContaining('u0000') })
  })
})
