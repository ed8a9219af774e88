import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Blocks, blocksOf, noBlocks } from './blocks.ts'

const raws = ({ blocks }: Blocks) => blocks.map(({ token }) => token.raw)
const grown = (pieces: readonly string[]): Blocks => {
  let text = ''
  return pieces.reduce((blocks, piece) => {
    text += piece
    return blocksOf(text, blocks, false)
  }, noBlocks)
}

const someMarkdown = fc
  .array(
    fc.constantFrom(
      ...[
        '# Title\n\n',
        'A paragraph\nof two lines.\n\n',
        '- one\n- two\n\n',
        '  - inside\n\n',
        '1. first\n\n',
        '> said\n\n',
      ],
      ...[
        '```ts\nconst a = 1\n\n```\n\n',
        '```\nopen',
        '| a | b |\n| --- | --- |\n| 1 | 2 |\n\n',
        '---\n\n',
        '    code\n\n',
      ],
      ...[
        'word ',
        '**bold** ',
        '\n',
        '\n\n',
        '<b>html</b>\n\n',
        '`code`',
        'Heading\n===\n\n',
        '[a link](https://a.b) ',
      ],
    ),
    { maxLength: 14 },
  )
  .map((pieces) => pieces.join(''))

describe('a growing text', () => {
  test('has the same blocks as if it had come at once', () => {
    fc.assert(
      fc.property(someMarkdown, fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }), (text, steps) => {
        const pieces: string[] = []
        for (let at = 0, i = 0; at < text.length; i++) {
          const step = steps[i % steps.length] ?? 1
          pieces.push(text.slice(at, at + step))
          at += step
        }
        expect(raws(grown(pieces))).toEqual(raws(blocksOf(text, noBlocks, true)))
      }),
      { numRuns: 100 },
    )
  })

  test('keeps the blocks that are done as the same objects', () => {
    const before = grown(['One.\n\nTwo.\n\nThree.\n\nFo'])
    const after = blocksOf('One.\n\nTwo.\n\nThree.\n\nFour', before, false)
    expect(after.blocks.slice(0, 2).map((block, i) => block === before.blocks[i])).toEqual([true, true])
    const whole = blocksOf('One.\n\nTwo.\n\nThree.\n\nFour', after, true)
    expect(whole.blocks.map((block, i) => block === after.blocks[i])).toEqual([true, true, true, true])
  })

  test('that is replaced by another one begins anew', () => {
    expect(raws(blocksOf('Other', grown(['One.\n\nTwo.\n\nThree.']), false))).toEqual(['Other'])
  })

  test('has links that are explained below it, when it is whole', () => {
    const [block] = blocksOf('See [this].\n\n[this]: https://example.com', noBlocks, true).blocks
    expect(JSON.stringify(block?.token)).toContain('"href":"https://example.com"')
  })
})
