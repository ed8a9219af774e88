import { describe, expect, test } from 'vitest'
import { type Consumed, costUsd, priceOf } from './prices.ts'

const price = { inputPerMillionUsd: 3, outputPerMillionUsd: 15, cachedPerMillionUsd: 0.3 }
const told: Consumed = {
  promptTokens: 1_000_000,
  completionTokens: 100_000,
  cachedTokens: 400_000,
  ...{ promptBytes: 0, answerBytes: 0, streamed: true },
}

describe('what a call costs', () => {
  test('is what its tokens cost, those from a cache at their own price', () => {
    expect(costUsd(price, told)).toBeCloseTo(0.6 * 3 + 0.4 * 0.3 + 0.1 * 15)
  })

  test('is the price of any prompt where a cache has no price of its own', () => {
    const { cachedPerMillionUsd: _, ...flat } = price
    expect(costUsd(flat, told)).toBeCloseTo(3 + 1.5)
  })

  test('is never negative, whatever an upstream says of its cache', () => {
    expect(costUsd(price, { ...told, promptTokens: 0, completionTokens: 0 })).toBe(0)
  })

  test('is taken from the bytes where no tokens were told', () => {
    const untold = { ...told, promptTokens: null, completionTokens: null, cachedTokens: null }
    expect(costUsd(price, { ...untold, promptBytes: 4_000_000, answerBytes: 0 })).toBeCloseTo(3)
    expect(costUsd(price, { ...untold, answerBytes: 200_000 })).toBeCloseTo(0.015)
    expect(costUsd(price, { ...untold, answerBytes: 4_000, streamed: false })).toBeCloseTo(0.015)
  })
})

test('a price is told for a model or for all others', () => {
  expect(priceOf({ a: price }, 'a')).toBe(price)
  expect(priceOf({ '*': price }, 'a')).toBe(price)
  expect(priceOf({ a: price }, 'b')).toBeNull()
})
