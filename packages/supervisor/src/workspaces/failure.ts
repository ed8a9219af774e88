/** A preparation that cannot go on: the reason, and a sentence of ours. Never what git or a command printed. */
import type { FailureReason } from '@corral/protocol'

export class PreparationFailed extends Error {
  readonly reason: FailureReason
  constructor(reason: FailureReason, sentence: string) {
    super(sentence)
    this.name = 'PreparationFailed'
    this.reason = reason
  }
}
