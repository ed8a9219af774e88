/** Whatever order pushes are done in, the same items stand. */
import type { AgentSessionId } from '@corral/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PushedItem, readItem } from './item.ts'
import { orderItems, type Standing } from './order.ts'

const session: AgentSessionId = 'ses_0123456789abcdefghijklmnop'

function item(type: string, data: unknown): PushedItem {
  const read = readItem({ type, data }, 0, session, 1)
  if (read.kind === 'skipped') throw new Error(read.reason)
  return read.item
}

/** Applies pushes one after the other; returns what stands in the end, by key. */
function standing(pushes: readonly { pushNo: number; items: readonly PushedItem[] }[]): Map<string, string> {
  const stored = new Map<string, Standing & { item: PushedItem }>()
  for (const { pushNo, items } of pushes) {
    const order = orderItems(stored, items, pushNo)
    for (const [key, stands] of order.standing) stored.set(key, stands)
    for (const key of order.confirmed) {
      const known = stored.get(key)
      if (known) stored.set(key, { ...known, pushNo })
    }
  }
  return new Map([...stored].map(([key, { item: stands }]) => [key, stands.digest.toString('hex')]))
}

const part = (text: string, more: object = {}) => item('part', { id: 'p', messageID: 'm', type: 'text', text, ...more })
const tool = (status: string, output = '') =>
  item('part', { id: 't', messageID: 'm', type: 'tool', state: { status, output } })
const digests = (items: PushedItem[]) => new Map(items.map(({ key, digest }) => [key, digest.toString('hex')]))

describe('of two items with one key', () => {
  test('that of the later push stands, in whichever order they are done', () => {
    const older = { pushNo: 1, items: [part('Hel')] }
    const newer = { pushNo: 2, items: [part('Hello')] }
    expect(standing([older, newer])).toEqual(digests(newer.items))
    expect(standing([newer, older])).toEqual(digests(newer.items))
  })

  test('the later one of the same push stands', () => {
    expect(standing([{ pushNo: 1, items: [part('Hel'), part('Hello')] }])).toEqual(digests([part('Hello')]))
  })

  test('a final one stands against its own earlier states, however late those come', () => {
    const done = tool('completed', 'done')
    for (const early of ['pending', 'running']) {
      expect(
        standing([
          { pushNo: 1, items: [done] },
          { pushNo: 2, items: [tool(early)] },
        ]),
      ).toEqual(digests([done]))
      expect(
        standing([
          { pushNo: 2, items: [tool(early)] },
          { pushNo: 1, items: [done] },
        ]),
      ).toEqual(digests([done]))
    }
    const ended = part('Hello', { time: { start: 1, end: 2 } })
    expect(standing([{ pushNo: 1, items: [ended, part('Hel', { time: { start: 1 } })] }])).toEqual(digests([ended]))
    const completed = item('message', { id: 'm', time: { created: 1, completed: 2 } })
    const open = item('message', { id: 'm', time: { created: 1 } })
    expect(
      standing([
        { pushNo: 1, items: [completed] },
        { pushNo: 2, items: [open] },
      ]),
    ).toEqual(digests([completed]))
  })

  test('a final one gives way to another final one of a later push', () => {
    const second = tool('error', 'after all')
    expect(
      standing([
        { pushNo: 1, items: [tool('completed')] },
        { pushNo: 2, items: [second] },
      ]),
    ).toEqual(digests([second]))
  })

  test('the session object that was changed later stands', () => {
    const later = item('session', { title: 'b', time: { updated: 20 } })
    const earlier = item('session', { title: 'a', time: { updated: 10 } })
    expect(
      standing([
        { pushNo: 1, items: [later] },
        { pushNo: 2, items: [earlier] },
      ]),
    ).toEqual(digests([later]))
  })

  test('equal ones are no news, and hold the place against what was sent in between', () => {
    const first = orderItems(new Map(), [part('a')], 1)
    expect(first).toMatchObject({ unchanged: 0, accepted: [{ key: 'm/p' }] })
    const again = orderItems(first.standing, [part('a')], 3)
    expect(again).toMatchObject({ unchanged: 1, accepted: [], confirmed: ['m/p'] })
    const pushes = [
      { pushNo: 1, items: [part('a')] },
      { pushNo: 3, items: [part('a')] },
      { pushNo: 2, items: [part('b')] },
    ]
    expect(standing(pushes)).toEqual(digests([part('a')]))
  })
})

test('a thousand shuffles of pushes leave the same items', () => {
  const state = fc.record({
    key: fc.constantFrom('p', 'q', 'r'),
    text: fc.string({ maxLength: 3 }),
    final: fc.boolean(),
  })
  const pushes = fc.array(fc.array(state, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(pushes, fc.infiniteStream(fc.nat()), (given, dice) => {
      const made = given.map((states, i) => ({
        pushNo: i + 1,
        items: states.map(({ key, text, final }) =>
          item('part', { id: key, messageID: 'm', type: 'text', text, ...(final && { time: { end: 1 } }) }),
        ),
      }))
      const shuffled = made
        .map((push) => ({ push, place: dice.next().value }))
        .toSorted((a, b) => a.place - b.place)
        .map(({ push }) => push)
      expect(standing(shuffled)).toEqual(standing(made))
    }),
    { numRuns: 1_000 },
  )
})
