import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { oneLine, safeJson, safeText } from './safeText.ts'

const esc = '\u001b'
const bell = '\u0007'
const anyControl = /[^\P{Cc}\n\t]|\p{Bidi_Control}/u

describe('text of others on a terminal', () => {
  test.each([
    ['colors', `${esc}[31mred${esc}[0m`, 'red'],
    ['a cleared screen', `before${esc}[2J${esc}[Hafter`, 'beforeafter'],
    ['a title and a clipboard', `${esc}]0;owned${bell}${esc}]52;c;cm0gLXJm${bell}text`, 'text'],
    ['escapes of eight bits', '\u009b31mred', 'red'],
    ['a line that is written over', 'rm -rf /\rls', 'rm -rf /ls'],
    ['a direction that is turned', 'if (admin\u202e\u2066) // \u2069check', 'if (admin) // check'],
  ])('has no %s', (_, hostile, shown) => {
    expect(safeText(hostile)).toBe(shown)
  })

  test('keeps what people write', () => {
    const text = 'ÄÖ — 日本語 👩‍👩‍👧 שלום\n\tindented'
    expect(safeText(text)).toBe(text)
  })

  test('lets no control through, in whichever pieces it comes', () => {
    const unit = fc.oneof(
      fc.constantFrom(esc, '[', '2', 'J', ']', ';', bell, '\u009b', '\r', '\u202e', 'm'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(unit, { size: 'max', maxLength: 40 }), (pieces) => {
        expect(pieces.map(safeText).join('')).not.toMatch(anyControl)
        expect(oneLine(pieces.join(''))).not.toMatch(/[\n\t]/)
      }),
    )
  })
})

describe('one line', () => {
  test('is short, of whole characters, and says when it was cut', () => {
    expect(oneLine('  npm\n  test\t')).toBe('npm test')
    expect(oneLine('abcdef', 6)).toBe('abcdef')
    expect(oneLine('abcdefg', 6)).toBe('abcde…')
    expect(oneLine('👍👍👍', 3)).toBe('👍👍👍')
    expect(oneLine('👍👍👍👍', 3)).toBe('👍👍…')
  })
})

describe('JSON', () => {
  test('says the same, and is nothing but text to a terminal', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('\u009b2J', '\u202e', '\u007f', `${esc}[2J`), (value, hostile) => {
        const said = { value, [`key${hostile}`]: hostile }
        const json = safeJson(said, 2)
        expect(json).not.toMatch(anyControl)
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(said)))
      }),
    )
  })
})
