import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Replacement, rewrite } from './rewrite.ts'

async function rewritten(chunks: string[], replacements: Replacement[]): Promise<string> {
  const source = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk, 'latin1')
  })()
  return Buffer.concat(await Array.fromAsync(rewrite(source, replacements))).toString('latin1')
}

test('an address is replaced wherever it stands, the longer one first', async () => {
  const replacements = [
    { from: 'https://mirror/', to: 'http://door/' },
    { from: 'https://mirror/files/', to: 'http://door/f/' },
  ]
  expect(
    await rewritten(['{"a":"https://mirror/x","b":"https://mirror/files/x","c":"https://other/x"}'], replacements),
  ).toBe('{"a":"http://door/x","b":"http://door/f/x","c":"https://other/x"}')
})

test('wherever a text is cut into chunks, it comes out the same', async () => {
  const text = fc
    .array(fc.constantFrom('ab', 'abc', 'a', 'b', 'c', '\u00e9', '.'), { maxLength: 40 })
    .map((parts) => parts.join(''))
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat({ max: 120 })), async (whole, cuts) => {
      const places = [0, ...cuts.filter((cut) => cut < whole.length).toSorted((a, b) => a - b), whole.length]
      const chunks = places.slice(1).map((end, i) => whole.slice(places[i], end))
      const replacements = [
        { from: 'ab', to: '<short>' },
        { from: 'abc', to: '<long>' },
      ]
      expect(await rewritten(chunks, replacements)).toBe(
        whole.replaceAll(/abc|ab/g, (found) => (found === 'abc' ? '<long>' : '<short>')),
      )
    }),
  )
})
