import { type EventsFrame, newSessionId, type SessionId } from '@corral/protocol'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { mark } from './cutOut.ts'
import { createHoldBack } from './holdBack.ts'
import { createRedactors } from './redactors.ts'

const secret = 'hunter2/4+ever'
const holdMs = 40

type SentEvent = EventsFrame['events'][number]

const delta = (text: string, partID = 'prt_1', field = 'text'): SentEvent => ({
  type: 'kilocode',
  data: {
    type: 'message.part.delta',
    properties: { sessionID: 'ses_1', messageID: 'msg_1', partID, field, delta: text },
  },
})
const update = (text: string, partID = 'prt_1', ended = true): SentEvent => {
  const part = { id: partID, sessionID: 'ses_1', messageID: 'msg_1', type: 'text', text }
  const properties = { part: { ...part, time: ended ? { start: 1, end: 2 } : { start: 1 } } }
  return { type: 'kilocode', data: { type: 'message.part.updated', properties } }
}
const output = (content: string): SentEvent => ({ type: 'output', data: { content, source: 'stdout' } })

/** The text of an event, whichever it is. */
function textOf(event: SentEvent): string {
  const found = /"(?:delta|text|content|message|error)":("(?:[^"\\]|\\.)*")/.exec(JSON.stringify(event.data))?.[1]
  return found === undefined ? '' : JSON.parse(found)
}

/** A supervisor's session on the way to a log that keeps what it is offered. */
function setUp(secrets: readonly string[] = [secret], options: { holdMs?: number } = {}) {
  const session = newSessionId()
  const stored: { n: number; event: SentEvent }[] = []
  const frames: EventsFrame[] = []
  let fault: Error | null = null
  const redactors = createRedactors({ secretsOf: async () => secrets })
  const holdBack = createHoldBack({
    redactors,
    holdMs: options.holdMs ?? holdMs,
    async offer(frame) {
      await null
      if (fault) throw fault
      frames.push(frame)
      for (const [i, event] of frame.events.entries()) stored.push({ n: frame.from + i, event })
      return { epoch: frame.epoch, n: frame.from + frame.events.length - 1 }
    },
  })
  let next = 1
  const acked: number[] = []
  const offer = (events: SentEvent[], at: { from?: number; epoch?: number; session?: SessionId } = {}) => {
    const { from = next, epoch = 1 } = at
    next = from + events.length
    const answer = holdBack.offer({ session: at.session ?? session, epoch, from, events })
    answer.then(
      ({ n }) => acked.push(n),
      () => undefined,
    )
    return answer
  }
  const texts = () => stored.map(({ event }) => textOf(event))
  const fail = (error: Error | null) => {
    fault = error
  }
  return { session, stored, frames, redactors, holdBack, offer, acked, texts, fail }
}

test('a session without secrets passes as it is, frame for frame', async () => {
  const { offer, frames, session } = setUp([])
  await offer([delta(secret), delta('hun')])
  expect(frames).toEqual([{ session, epoch: 1, from: 1, events: [delta(secret), delta('hun')] }])
})

describe('an event that may hold the beginning of a secret', () => {
  test('waits, and so does what is behind it; nothing of them is acked before it is stored', async () => {
    const { offer, texts, acked, frames } = setUp([secret], { holdMs: 60_000 })
    await offer([delta('say '), delta('it')])
    const waiting = offer([delta(' hun'), output('unrelated\n')])
    await vi.waitFor(() => expect(texts()).toEqual(['say ', 'it']))
    expect(acked).toEqual([2])
    await offer([delta('ter2/4+ever.')])
    await waiting
    expect(texts()).toEqual(['say ', 'it', ` ${mark}`, 'unrelated\n', '.'])
    expect(acked.toSorted()).toEqual([2, 4, 5])
    // What one secret was cut out of is in one frame.
    expect(frames.map(({ from, events }) => [from, events.length])).toEqual([
      [1, 2],
      [3, 3],
    ])
  })

  test('is let go when nothing follows in time', async () => {
    const { offer, texts } = setUp()
    await offer([delta('hun')])
    expect(texts()).toEqual(['hun'])
  })

  test('does not hold up another part for longer than that, though this one goes on', async () => {
    const { offer, texts, holdBack } = setUp()
    const first = offer([delta('hun', 'prt_1')])
    let goesOn = true
    const others = (async () => {
      while (goesOn) {
        void offer([delta('some other words ', 'prt_2')]).catch(() => undefined)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })()
    await first
    goesOn = false
    await others
    expect(texts()[0]).toBe('hun')
    holdBack.close()
  })

  test.each<[string, SentEvent]>([
    ['the whole of its part', update('hundred')],
    ['the end of a step', { type: 'status', data: { message: 'done', step: 'setup', state: 'ok' } }],
    ['the outcome', { type: 'outcome', data: { executionId: 'exec_1', attempt: 1, result: 'completed', begun: true } }],
  ])('is let go by %s', async (_, event) => {
    const { offer, stored } = setUp([secret], { holdMs: 60_000 })
    const waiting = offer([delta('hun')])
    await offer([event])
    await waiting
    expect(stored.map((one) => one.event)).toEqual([delta('hun'), event])
  })

  test('does not show most of a secret when it is let go', async () => {
    const { offer, texts } = setUp()
    await offer([delta('it is hunter2/4+')])
    await offer([delta('ever!')])
    expect(texts()).toEqual([`it is ${mark}`, '!'])
  })
})

test('deltas that go on from a whole update with the beginning of a secret do not complete it', async () => {
  const { offer, texts } = setUp()
  await offer([update('it is hunter', 'prt_1', false)])
  await offer([delta('2/4+ever.')])
  expect(texts()).toEqual(['it is hunter', `${mark}.`])
})

test('every kind of event is redacted, and its name when it is of no known type', async () => {
  const { offer, stored } = setUp()
  await offer([
    update(`a ${secret}`),
    output(`b ${secret}\n`),
    { type: 'outcome', data: { executionId: 'exec_1', attempt: 1, result: 'failed', message: `c ${secret}` } },
    { type: 'status', data: { message: secret } },
    { type: secret, data: {} },
  ])
  expect(JSON.stringify(stored)).not.toContain(secret)
  expect(JSON.stringify(stored).split(mark)).toHaveLength(6)
})

test('an event that is nested too deep is stored without its data, so that the log refuses its form', async () => {
  const { offer, stored } = setUp()
  const deep: unknown = JSON.parse(`${'['.repeat(100_000)}"${secret}"${']'.repeat(100_000)}`)
  await offer([{ type: 'kilocode', data: { type: 'x', properties: { deep } } }])
  expect(stored[0]?.event.data).toBeNull()
})

describe('a supervisor whose link was cut', () => {
  test('sends again what waited, and it is redacted and stored once', async () => {
    const { offer, texts } = setUp([secret], { holdMs: 60_000 })
    const cut = offer([delta('hunter')])
    await expect(Promise.all([offer([delta('hunter'), delta('2/4+ever')], { from: 1 }), cut])).rejects.toThrow()
    await vi.waitFor(() => expect(texts()).toEqual([mark, '']))
  })

  test('finds what waits for a newer epoch stored in its order', async () => {
    const { offer, frames } = setUp([secret], { holdMs: 60_000 })
    const waiting = offer([delta('hun')])
    await offer([delta('gry')], { from: 1, epoch: 2 })
    await waiting
    expect(frames.map(({ epoch, from }) => [epoch, from])).toEqual([
      [1, 1],
      [2, 1],
    ])
  })

  test('may leave out numbers that it has dropped', async () => {
    const { offer, frames } = setUp([secret], { holdMs: 60_000 })
    const waiting = offer([delta('hun')])
    await offer([{ type: 'events_dropped', data: { count: 8 } }, delta('other')], { from: 10 })
    await waiting
    expect(frames.map(({ from, events }) => [from, events.length])).toEqual([
      [1, 1],
      [10, 2],
    ])
  })
})

test('what the log gives back is given back, whole', async () => {
  const { offer, fail, texts } = setUp()
  fail(new Error('away'))
  await expect(offer([delta('words'), delta('hun')])).rejects.toThrow('away')
  fail(null)
  await offer([delta('words'), delta('hundred')], { from: 1 })
  expect(texts()).toEqual(['words', 'hundred'])
})

test('what waits when the server ends is not acked', async () => {
  const { offer, holdBack, stored } = setUp([secret], { holdMs: 60_000 })
  const waiting = offer([delta('hun')])
  await vi.waitFor(() => expect(stored).toEqual([]))
  holdBack.close()
  await expect(waiting).rejects.toThrow()
  await expect(offer([delta('dred')])).rejects.toThrow()
})

test('secrets are read once per session, and frames that come meanwhile keep their order', async () => {
  let reads = 0
  const { promise, resolve } = Promise.withResolvers<readonly string[]>()
  const froms: number[] = []
  const holdBack = createHoldBack({
    redactors: createRedactors({
      secretsOf() {
        reads += 1
        return promise
      },
    }),
    holdMs,
    async offer(frame) {
      froms.push(frame.from)
      return { epoch: 1, n: frame.from }
    },
  })
  const session = newSessionId()
  const offers = [1, 2, 3].map((from) => holdBack.offer({ session, epoch: 1, from, events: [output('x\n')] }))
  resolve([secret])
  await Promise.all(offers)
  await holdBack.offer({ session, epoch: 1, from: 4, events: [output('x\n')] })
  expect(froms).toEqual([1, 2, 3, 4])
  expect(reads).toBe(1)
})

test('a secret that is learned in the middle is known from then on, beside those of before', async () => {
  const { offer, redactors, session, texts } = setUp()
  await offer([output(`${secret} and another-one\n`)])
  redactors.learn(session, ['another-one'])
  await offer([output(`${secret} and another-one\n`)])
  expect(texts()).toEqual([`${mark} and another-one\n`, `${mark} and ${mark}\n`])
})

test('secrets that are replaced again and again stay known, as far as there is room for them', () => {
  const { redactors, session } = setUp()
  const secretOf = (i: number) => `${i}-`.padEnd(40 * 1024, String(i % 10))
  for (let i = 0; i < 5; i++) redactors.learn(session, [secretOf(i)])
  const text = (value: string) => redactors.known(session)?.text(value)
  expect([0, 1, 2, 3, 4].map((i) => text(secretOf(i)) === mark)).toEqual([false, false, true, true, true])
})

test('whatever else a delta has beside its text is redacted, too', async () => {
  const { offer, stored } = setUp()
  const properties = {
    sessionID: 'ses_1',
    messageID: 'msg_1',
    partID: 'prt_1',
    field: 'text',
    delta: 'x',
    whole: secret,
  }
  await offer([{ type: 'kilocode', data: { type: 'message.part.delta', properties } }])
  expect(stored[0]?.event.data).toMatchObject({ properties: { delta: 'x', whole: mark } })
})

test('whatever is said in however many parts and frames: no part shows a secret, no event is lost, doubled or moved', async () => {
  const piece = fc.record({
    part: fc.constantFrom('prt_1', 'prt_2'),
    length: fc.integer({ min: 1, max: 9 }),
    ends: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 40 }), async (pieces) => {
      const { offer, stored } = setUp([secret, 'other-secret'], { holdMs: 5 })
      const sources = new Map([
        ['prt_1', `x${secret}hunter${secret}xx`.repeat(9)],
        ['prt_2', `other${'other-secret'}-s${Buffer.from(secret).toString('base64')}`.repeat(9)],
      ])
      const offers: Promise<unknown>[] = []
      const frame: SentEvent[] = []
      for (const { part, length, ends } of pieces) {
        const source = sources.get(part) ?? ''
        frame.push(delta(source.slice(0, length), part))
        sources.set(part, source.slice(length))
        if (ends) offers.push(offer(frame.splice(0)))
      }
      if (frame.length > 0) offers.push(offer(frame))
      await Promise.all(offers)

      expect(stored.map(({ n }) => n)).toEqual(pieces.map((_, i) => i + 1))
      for (const part of ['prt_1', 'prt_2']) {
        const shown = stored
          .filter(({ event }) => JSON.stringify(event).includes(part))
          .map(({ event }) => textOf(event))
        for (const form of [secret, 'other-secret', Buffer.from(secret).toString('base64').slice(0, 18)]) {
          expect(shown.join('')).not.toContain(form)
        }
      }
    }),
    { numRuns: 200 },
  )
})
