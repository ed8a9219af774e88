import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSealing, SealBroken } from './sealing.ts'

const sealing = createSealing({ key: randomBytes(32) })
const place = { table: 'session_secret', id: 'agent_1' }

test('what was sealed opens in its place, and twice sealed looks different', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const wellFormed = text.toWellFormed()
      const sealed = sealing.seal(wellFormed, place)
      expect(sealing.open(sealed, place)).toBe(wellFormed)
      expect(sealing.seal(wellFormed, place).equals(sealed)).toBe(false)
    }),
  )
})

test('it does not open in another row or another table', () => {
  const sealed = sealing.seal('a secret', place)
  expect(() => sealing.open(sealed, { ...place, id: 'agent_2' })).toThrow(SealBroken)
  expect(() => sealing.open(sealed, { ...place, table: 'callback_key' })).toThrow(SealBroken)
})

test('it does not open with any single bit changed, cut short, or under another key', () => {
  const sealed = sealing.seal('a secret', place)
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Buffer.from(sealed)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(() => sealing.open(changed, place)).toThrow(SealBroken)
  }
  for (let length = 0; length < sealed.length; length++) {
    expect(() => sealing.open(sealed.subarray(0, length), place)).toThrow(SealBroken)
  }
  expect(() => createSealing({ key: randomBytes(32) }).open(sealed, place)).toThrow(SealBroken)
})

test('the sentence of what cannot be opened says what to do, and nothing of its content', () => {
  const sealed = createSealing({ key: randomBytes(32) }).seal('a secret', place)
  expect(() => sealing.open(sealed, place)).toThrow(/session_secret agent_1 cannot be opened.*CORRAL_SEAL_KEY/)
})

test('a digest is the same under one key and another under another', () => {
  expect(sealing.digest('content')).toBe(sealing.digest('content'))
  expect(sealing.digest('content')).not.toBe(sealing.digest('other content'))
  expect(createSealing({ key: randomBytes(32) }).digest('content')).not.toBe(sealing.digest('content'))
})
