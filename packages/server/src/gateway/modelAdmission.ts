/** Which model calls are let through, and to which upstream. Pure: from what a session may do and what it asks for. */
import { priceOf } from '../credits/prices.ts'
import type { Grant } from './grants.ts'
import { readModelRequest } from './modelRequest.ts'
import { selectUpstream, type Upstream, type Upstreams, type Wire } from './upstreams.ts'

export type ModelAdmission =
  | {
      kind: 'admitted'
      upstream: Upstream
      /** The upstream's name of the model, which `body` has, too. */
      model: string
      body: Buffer
    }
  | { kind: 'refused'; status: 400 | 402 | 403; sentence: string }

export function admitModelCall(call: {
  grant: Pick<Grant, 'models' | 'budgets'>
  upstreams: Upstreams
  wire: Wire
  body: Buffer
  /** Makes tokens, and so costs something. */
  generates: boolean
}): ModelAdmission {
  const { grant, upstreams, wire, body, generates } = call
  const refused = (status: 400 | 402 | 403, sentence: string): ModelAdmission => ({ kind: 'refused', status, sentence })

  const asked = readModelRequest(body)
  if (asked.kind === 'invalid') return refused(400, asked.sentence)
  const selected = selectUpstream(upstreams, asked.model)
  if (selected.kind === 'refused') return refused(400, selected.sentence)
  const { upstream, model } = selected
  if (!grant.models.some((allowed) => isSame(selectUpstream(upstreams, allowed), selected))) {
    return refused(403, `this session may not call "${asked.model}". Its models are: ${grant.models.join(', ')}.`)
  }
  if (!upstream.wires.includes(wire)) {
    return refused(400, `"${asked.model}" speaks ${upstream.wires.join(' and ')} but was called by ${wire}.`)
  }
  if (!generates) return { kind: 'admitted', upstream, model, body: asked.renamed(model) }
  const [budget] = grant.budgets
  if (budget && priceOf(upstream.prices, model) === null) {
    return refused(403, `"${asked.model}" has no price here, and the budget of the ${budget.scope} needs one.`)
  }
  const spent = grant.budgets.find(({ remainingUsd }) => remainingUsd <= 0)
  if (spent) return refused(402, `the budget of the ${spent.scope} is used up.`)
  return { kind: 'admitted', upstream, model, body: asked.renamed(model) }
}

type Selection = ReturnType<typeof selectUpstream>

/** Names are compared by what they select: `gpt-5` is `openai/gpt-5` where OpenAI is the default. */
function isSame(one: Selection, other: Selection): boolean {
  if (one.kind === 'refused' || other.kind === 'refused') return false
  return one.upstream === other.upstream && one.model === other.model
}
