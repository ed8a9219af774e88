/** Which model calls are let through, and to which upstream. Pure: from what a session may do and what it asks for. */
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
  | { kind: 'refused'; status: 400 | 403; sentence: string }

export function admitModelCall(call: {
  grant: Pick<Grant, 'models'>
  upstreams: Upstreams
  wire: Wire
  body: Buffer
}): ModelAdmission {
  const { grant, upstreams, wire, body } = call
  const refused = (status: 400 | 403, sentence: string): ModelAdmission => ({ kind: 'refused', status, sentence })

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
  return { kind: 'admitted', upstream, model, body: asked.renamed(model) }
}

type Selection = ReturnType<typeof selectUpstream>

/** Names are compared by what they select: `gpt-5` is `openai/gpt-5` where OpenAI is the default. */
function isSame(one: Selection, other: Selection): boolean {
  if (one.kind === 'refused' || other.kind === 'refused') return false
  return one.upstream === other.upstream && one.model === other.model
}
