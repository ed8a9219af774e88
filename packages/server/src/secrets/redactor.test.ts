import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mark } from './cutOut.ts'
import { formsOf } from './forms.ts'
import { createRedactor } from './redactor.ts'

function redactorOf(...secrets: string[]) {
  const redactor = createRedactor(secrets)
  if (!redactor) throw new Error('there is nothing to redact')
  return redactor
}

const secret = 'hunter2/4+ever'

describe('a whole text', () => {
  const { text } = redactorOf(secret)

  test.each([
    ['as it is', secret],
    ['in a URL', encodeURIComponent(secret)],
    ['in a URL with small letters', encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase())],
    ['wrapped by a terminal', 'hunter\r\n2/4+\never'],
  ])('has no secret %s', (_, form) => {
    expect(text(`before ${form} after`)).toBe(`before ${mark} after`)
  })

  test.each([0, 1, 2])('has no secret in base64 after %i bytes, wrapped or not, of either alphabet', (offset) => {
    for (const encoding of ['base64', 'base64url'] as const) {
      const encoded = Buffer.from(`${'x'.repeat(offset)}${secret} and more`).toString(encoding)
      const redacted = text(encoded)
      expect(redacted).toContain(mark)
      expect(Buffer.from(redacted.replace(mark, ''), encoding).toString()).not.toContain(secret.slice(2, -2))
      const wrapped = encoded.replace(/.{7}/g, '$&\n')
      expect(text(wrapped).replaceAll('\n', '')).toBe(redacted)
    }
  })

  test('has no secret inside a JSON string', () => {
    const quoted = 'say "friend"\nand enter'
    expect(redactorOf(quoted).text(JSON.stringify({ password: quoted }))).toBe(`{"password":"${mark}"}`)
  })

  test('keeps all else, and line breaks around a secret', () => {
    expect(text('hunter2 for ever\n')).toBe('hunter2 for ever\n')
    expect(text(`a\n${secret}\nb`)).toBe(`a\n${mark}\nb`)
    expect(text(`${secret}${secret}`)).toBe(mark + mark)
  })

  test('has one mark for secrets that overlap', () => {
    expect(redactorOf('abcdefgh', 'efghijkl').text('-abcdefghijkl-')).toBe(`-${mark}-`)
    expect(redactorOf('aaaaaaaa').text('a'.repeat(20))).toBe(mark)
  })
})

test('a secret of less than 8 characters is not looked for', () => {
  expect(createRedactor(['seven77', ' seven77\n'])).toBeNull()
})

describe('the data of an event', () => {
  const { data } = redactorOf('completed', 'prt_00000001')

  test('is redacted in its texts, and not in ids, words of the vocabulary and keys', () => {
    const part = { id: 'prt_00000001', type: 'tool', state: { status: 'completed', title: 'completed', input: {} } }
    expect(data({ type: 'x', properties: { part } })).toEqual({
      type: 'x',
      properties: { part: { ...part, state: { ...part.state, title: mark } } },
    })
    expect(data({ completed: 'completed' })).toEqual({ completed: mark })
  })

  test('is redacted at every key of what a tool takes and gives', () => {
    const input = { status: 'completed', nested: [{ accountId: 'completed' }] }
    expect(data({ input })).toEqual({ input: { status: mark, nested: [{ accountId: mark }] } })
  })

  test('is the same object when it holds no secret', () => {
    const same = { text: 'nothing', list: [1, null, { deep: 'x' }] }
    expect(data(same)).toBe(same)
  })
})

describe('a stream', () => {
  /** Shown after each piece, by piece; null while it waits. */
  function stream(secrets: string[]) {
    const deltas = redactorOf(...secrets).stream()
    const shown: (string | null)[] = []
    return {
      shown,
      deltas,
      feed(...pieces: string[]) {
        for (const piece of pieces) {
          const i = shown.push(null) - 1
          deltas.feed(piece, (text) => {
            shown[i] = text
          })
        }
        return shown
      },
    }
  }

  test('holds what may begin a secret, shows it when it does not, and cuts it out when it does', () => {
    const { feed, shown } = stream([secret])
    expect(feed('say ', 'hun')).toEqual(['say ', null])
    expect(feed('gry')).toEqual(['say ', 'hun', 'gry'])
    expect(feed(' hun', 'ter2/', '4+e')).toEqual(['say ', 'hun', 'gry', null, null, null])
    expect(feed('ver!')).toEqual(['say ', 'hun', 'gry', ` ${mark}`, '', '', '!'])
    expect(shown.join('')).toBe(`say hungry ${mark}!`)
  })

  test('shows a beginning that is not gone on with, but for most of a secret', () => {
    const short = stream([secret])
    short.feed('hunte')
    short.deltas.expire()
    expect(short.shown).toEqual(['hunte'])
    expect(short.feed('r2/4+ever.')).toEqual(['hunte', `${mark}.`])

    const most = stream([secret])
    most.feed('hunter2/4')
    most.deltas.expire()
    expect(most.shown).toEqual([mark])
    expect(most.feed('+ever.')).toEqual([mark, '.'])
  })

  test('is idle when nothing of it can matter any more', () => {
    const { deltas, feed } = stream([secret])
    expect(deltas.isIdle()).toBe(true)
    feed('hun')
    expect(deltas.isIdle()).toBe(false)
    feed('dred')
    expect(deltas.isIdle()).toBe(true)
  })
})

describe('whatever the secrets, the text and its pieces', () => {
  const letters = fc.constantFrom('a', 'b', 'c', '/', ' ', '\n', 'é', '🦀')
  const secretText = fc.string({ unit: letters, minLength: 8, maxLength: 24 })
  const around = fc.string({ unit: letters, maxLength: 12 })
  const cuts = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 40 })

  function pieces(text: string, lengths: readonly number[]): string[] {
    const result: string[] = []
    let rest = text
    for (const length of lengths) {
      result.push(rest.slice(0, length))
      rest = rest.slice(length)
    }
    return [...result, rest]
  }

  const scene = fc
    .record({ secrets: fc.array(secretText, { minLength: 1, maxLength: 3 }), texts: fc.array(around), cuts })
    .chain(({ secrets, texts, cuts: lengths }) =>
      fc.constantFrom(0, 1, 2).map((offset) => {
        const parts = texts.flatMap((text, i) => {
          const own = secrets[i % secrets.length] ?? ''
          const forms = [own, Buffer.from('x'.repeat(offset) + own).toString('base64'), encodeURIComponent(own)]
          return [text, forms[i % forms.length] ?? '']
        })
        return { secrets, text: parts.join(''), lengths }
      }),
    )
    .filter(({ secrets }) => createRedactor(secrets) !== null)

  /** What is left when each form of a secret is looked for by hand. */
  function expectNoSecret(text: string, secrets: readonly string[]): void {
    const plain = text.replace(/[\r\n]/g, '')
    for (const form of secrets.flatMap(formsOf)) expect(plain).not.toContain(form)
  }

  test('no secret is left in the pieces, and together they are the whole text redacted', () => {
    fc.assert(
      fc.property(scene, ({ secrets, text, lengths }) => {
        const redactor = redactorOf(...secrets)
        const deltas = redactor.stream()
        const shown: string[] = []
        for (const piece of pieces(text, lengths)) deltas.feed(piece, (ready) => shown.push(ready))
        const beforeEnd = shown.join('')
        expectNoSecret(beforeEnd, secrets)
        // An end that no more comes after is never a whole secret.
        deltas.feed('\u0001', (ready) => shown.push(ready))
        expect(deltas.holds()).toBe(false)
        expect(shown).toHaveLength(lengths.length + 2)
        const plain = (value: string) => value.replace(/[\r\n]/g, '')
        expect(plain(shown.join(''))).toBe(plain(redactor.text(`${text}\u0001`)))
        expectNoSecret(shown.join(''), secrets)
      }),
      { numRuns: 2_000 },
    )
  })

  test('text without them is unchanged, in whole and in pieces', () => {
    const other = fc.string({ unit: fc.constantFrom('x', 'y', 'a', '\n', ' '), maxLength: 60 })
    fc.assert(
      fc.property(fc.array(secretText, { minLength: 1 }), other, cuts, (secrets, text, lengths) => {
        const redactor = createRedactor(secrets)
        const plain = text.replace(/[\r\n]/g, '')
        fc.pre(redactor !== null && !secrets.flatMap(formsOf).some((form) => plain.includes(form)))
        expect(redactor?.text(text)).toBe(text)
        const shown: string[] = []
        const deltas = redactor?.stream()
        for (const piece of pieces(text, lengths)) deltas?.feed(piece, (ready) => shown.push(ready))
        deltas?.feed('\u0001', (ready) => shown.push(ready))
        expect(shown.join('')).toBe(`${text}\u0001`)
      }),
      { numRuns: 1_000 },
    )
  })
})

test('time is linear in the text: a secret of 32 KiB of one letter, in 8 MiB of it, does not hold up the server', () => {
  const redactor = redactorOf('a'.repeat(32 * 1024))
  const text = 'a'.repeat(8 * 1024 * 1024)
  const startedAt = performance.now()
  expect(redactor.text(text)).toBe(mark)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})
