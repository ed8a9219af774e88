/** What was sent cannot be handed to the agent, which lives on: the sentence is for whoever has sent it. */
import type { FailureReason } from '@corral/protocol'

export class PromptNotRun extends Error {
  readonly reason: FailureReason
  constructor(reason: FailureReason, sentence: string) {
    super(sentence)
    this.name = 'PromptNotRun'
    this.reason = reason
  }
}
