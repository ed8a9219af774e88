/**
 * Which models are tried for one call: the one that was asked for, then those of the session's list, as far as they
 * speak the wire of the call. Pure. What was passed over is told in a header, which the sandbox's door makes an event of.
 */
import { fallbackHeader, type PassedOver } from '@corral/protocol'
import type { Grant } from './grants.ts'
import { admitModelCall, type ModelAdmission } from './modelAdmission.ts'
import { readModelRequest } from './modelRequest.ts'
import type { Upstreams, Wire } from './upstreams.ts'

export type Candidate = Extract<ModelAdmission, { kind: 'admitted' }> & { /** As the session names it. */ name: string }

export function candidatesOf(call: {
  grant: Pick<Grant, 'models' | 'fallbackModels' | 'budgets'>
  upstreams: Upstreams
  wire: Wire
  body: Buffer
  generates: boolean
}): { kind: 'admitted'; candidates: [Candidate, ...Candidate[]] } | Extract<ModelAdmission, { kind: 'refused' }> {
  const first = admitModelCall(call)
  if (first.kind === 'refused') return first
  const asked = readModelRequest(call.body)
  if (asked.kind === 'invalid') return { kind: 'refused', status: 400, sentence: asked.sentence }
  const others = call.grant.fallbackModels.flatMap((name): Candidate[] => {
    const other = admitModelCall({ ...call, body: asked.renamed(name) })
    const isFirst = other.kind === 'admitted' && other.upstream === first.upstream && other.model === first.model
    return other.kind === 'admitted' && !isFirst ? [{ ...other, name }] : []
  })
  return { kind: 'admitted', candidates: [{ ...first, name: asked.model }, ...others] }
}

/** For an answer of `answered` after others could not be had. */
export const fallbackHeaders = (passedOver: readonly PassedOver[], answered: string): Record<string, string> =>
  passedOver.length === 0 ? {} : { [fallbackHeader]: JSON.stringify({ passedOver, answered }) }
