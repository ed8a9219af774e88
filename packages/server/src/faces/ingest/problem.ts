/** A refusal as readers of the seed's form know it: problem+json, with `success: false` beside. */
import type { CorralError } from '@corral/protocol'
import { problemBody, problemResponse } from '../cloud-agent/wire.ts'

export const ingestProblem = (refusal: CorralError): Response =>
  problemResponse(refusal, { success: false, ...problemBody(refusal) })
