/** What a callback says: the seed's members and Corral's, as the JSON text that every attempt sends. Pure. */
import type { AgentSessionId, CallbackBody, ExecutionId, FinalizationData, SessionId } from '@corral/protocol'
import { finalizationResult } from '@corral/transcript'

/** How an execution has ended, as `sessions` tells it. */
export type ExecutionReport = {
  sessionId: SessionId
  agentSessionId: AgentSessionId
  executionId: ExecutionId
  status: 'completed' | 'failed' | 'interrupted'
  failure: { reason: string; message: string; retryable: boolean } | null
  branch: string | null
  /** The last assistant message that has text. */
  assistantText: string | null
  finalization: readonly FinalizationData[]
  endedAt: Date
}

const maxTextCharacters = 100_000

export function callbackBody(report: ExecutionReport): string {
  const { failure, assistantText } = report
  const { commitHash, pushStatus, pullRequestUrl } = finalizationResult(report.finalization)
  const isCut = assistantText !== null && assistantText.length > maxTextCharacters
  const body: CallbackBody = {
    sessionId: report.sessionId,
    cloudAgentSessionId: report.sessionId,
    kiloSessionId: report.agentSessionId,
    executionId: report.executionId,
    idempotencyKey: report.executionId,
    status: report.status,
    errorMessage: report.status === 'failed' ? failure?.message : undefined,
    reason: failure?.reason,
    retryable: report.status === 'failed' ? failure?.retryable : undefined,
    lastSeenBranch: report.branch ?? undefined,
    // Half of a surrogate pair at the cut would be no text.
    lastAssistantMessageText: assistantText?.slice(0, maxTextCharacters).toWellFormed(),
    lastAssistantMessageTextTruncation: isCut ? { originalCharacters: assistantText.length } : undefined,
    commitHash,
    pushStatus: report.finalization.length > 0 ? pushStatus : undefined,
    pullRequestUrl,
    completedAt: report.endedAt.getTime(),
  }
  return JSON.stringify(body)
}
