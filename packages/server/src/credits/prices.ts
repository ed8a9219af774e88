/**
 * What a model call costs, in US dollars: pure, from a price and what the upstream reported. Invariant: a call that made
 * something costs something, also when its upstream told no tokens, so that a budget cannot be walked around.
 */
import { z } from 'zod'

const usd = z.number().nonnegative()

export const priceSchema = z.strictObject({
  inputPerMillionUsd: usd,
  outputPerMillionUsd: usd,
  /** What of the prompt came from a cache; as the rest of it when left out. */
  cachedPerMillionUsd: usd.optional(),
})
export type Price = z.output<typeof priceSchema>

/** By the upstream's own name of the model; `*` is for those that are not named. */
export const pricesSchema = z.record(z.string(), priceSchema)
export type Prices = z.output<typeof pricesSchema>

/** Null: nobody has told the price. */
export const priceOf = (prices: Prices, model: string): Price | null => prices[model] ?? prices['*'] ?? null

export type Consumed = {
  promptTokens: number | null
  completionTokens: number | null
  cachedTokens: number | null
  promptBytes: number
  answerBytes: number
  streamed: boolean
}

/** Where no tokens were told, as in a stream that was broken off: English text has four bytes to a token. */
const bytesPerToken = 4
/** A stream wraps each token in an event of its own. */
const streamedBytesPerToken = 200

export function costUsd(price: Price, consumed: Consumed): number {
  const { promptBytes, answerBytes, streamed } = consumed
  const prompt = consumed.promptTokens ?? promptBytes / bytesPerToken
  const completion = consumed.completionTokens ?? answerBytes / (streamed ? streamedBytesPerToken : bytesPerToken)
  const cached = Math.min(consumed.cachedTokens ?? 0, prompt)
  const perMillion =
    (prompt - cached) * price.inputPerMillionUsd +
    cached * (price.cachedPerMillionUsd ?? price.inputPerMillionUsd) +
    completion * price.outputPerMillionUsd
  return perMillion / 1_000_000
}
