import { limits, type UpEvent } from '@corral/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeEvent } from './encode.ts'

const output = (content: string): UpEvent => ({ type: 'output', data: { content, source: 'stdout' } })
const encoded = (event: UpEvent) => JSON.parse(encodeEvent(event).payload.toString())

describe('an event on its way into the spool', () => {
  it('has no U+0000 and no lone surrogate, in values and in names', () => {
    const data = { type: 'x', properties: { 'a\0b': ['c\0', { d: '\ud800e' }], plain: '\\u0000 \\ud800' } }
    expect(encoded({ type: 'kilocode', data })).toEqual({
      type: 'kilocode',
      data: { type: 'x', properties: { 'a\uFFFDb': ['c\uFFFD', { d: '\uFFFDe' }], plain: '\\u0000 \\ud800' } },
    })
  })

  it('is otherwise what it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!text.includes('\0') && text.isWellFormed())
        expect(encoded(output(text))).toEqual(output(text))
      }),
    )
  })

  it('becomes an error without a reason when it is over 8 MiB', () => {
    const event = encoded(output('x'.repeat(limits.eventBytes)))
    expect(event).toMatchObject({ type: 'error', data: { details: { rejectedType: 'output' } } })
    expect(event.data.reason).toBeUndefined()
  })
})
