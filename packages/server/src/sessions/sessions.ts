/**
 * What faces may ask of sessions. Every call checks access now; what is not the caller's is answered exactly like
 * what does not exist (`session_not_found`). Mutations write rows and answer; the reconciler does the work after.
 */
import type {
  Ack,
  AgentCommand,
  AgentSessionId,
  AskState,
  AskView,
  ConnectedFrame,
  EditorContext,
  ExecutionFailure,
  ExecutionId,
  ExecutionList,
  GetUsageReportInput,
  InterruptResult,
  ListSessionsInput,
  MessageResult,
  NetworkLog,
  OpenSessionInput,
  PreparedPair,
  PrepareSessionInput,
  PromptFile,
  SandboxId,
  SendMessageInput,
  SessionCosts,
  SessionDiff,
  SessionId,
  SessionList,
  SessionPatch,
  SessionView,
  SuggestionState,
  SuggestionView,
  Timing,
  TranscriptPage,
  Usage,
  UsageReport,
} from '@corral/protocol'
import type { Caller } from '../identity/caller.ts'
import type { PermissionAnswer } from './asks/answers.ts'
import type { AttachmentContent } from './attachments/attach.ts'
import type { NetworkLogPage } from './reads/networkLog.ts'
import type { WhichPage } from './transcript/transcriptPage.ts'

export type ExecutionProgress = {
  queuedSeq: number
  isFirst: boolean
  ended: boolean
  over: boolean
  failure: ExecutionFailure | null
  interrupted: boolean
}

/** What only agents' own clients say with a message. */
export type MessageExtras = {
  /** Ids that its sender has minted; `idempotency_mismatch` when another message has it. */
  messageId?: string | undefined
  partId?: string | undefined
  /** Of attachments that come with it, and were not uploaded before. */
  contents?: readonly AttachmentContent[]
  workspaceFiles?: readonly Extract<PromptFile, { kind: 'workspace' }>[]
  editorContext?: EditorContext | undefined
}

export type Sessions = {
  /** Idempotent by (user, `clientId`); starts sandbox, clone and agent behind its answer. */
  prepare(caller: Caller, input: PrepareSessionInput): Promise<PreparedPair>
  /** The same for a session that has both its ids already; `already_initiated` when it has another configuration. */
  prepareLinked(
    caller: Caller,
    input: PrepareSessionInput,
    ids: { id: SessionId; agentSessionId: AgentSessionId },
  ): Promise<PreparedPair>
  /** Changes the configuration between preparation and initiation; each change gives it the next version. */
  update(
    caller: Caller,
    id: SessionId,
    patch: SessionPatch,
    expectedVersion: number | undefined,
  ): Promise<{ success: true; version: number }>
  /** A pushed session goes on here: the same ids, and its agent knows what was said. Again gives the same ack. */
  startPushed(caller: Caller, agentSessionId: AgentSessionId, input: PrepareSessionInput): Promise<Ack>
  /** Prepare and initiate in one transaction. */
  start(caller: Caller, input: PrepareSessionInput): Promise<Ack>
  /** The same without a prompt: it waits for the first message, which names it if `title` is empty. */
  open(caller: Caller, input: OpenSessionInput & { title: string }): Promise<PreparedPair>
  /** Turns the stored prompt into the first execution, once; again gives the same ack. */
  initiate(
    caller: Caller,
    id: SessionId,
    options: { kilocodeOrganizationId?: string | undefined; githubToken?: string | undefined },
  ): Promise<Ack>
  /** Queues a follow-up; refused with `queue_full` when ten wait. Idempotent by (session, `clientId`). */
  send(
    caller: Caller,
    id: SessionId,
    input: Omit<SendMessageInput, 'cloudAgentSessionId' | 'sessionId'>,
    extras?: MessageExtras,
  ): Promise<Ack>
  /** Changes a queued execution; `no_longer_open` once it has left the queue. */
  updateExecution(
    caller: Caller,
    id: SessionId,
    input: {
      executionId: ExecutionId
      prompt?: string | undefined
      mode?: string | undefined
      model?: string | undefined
    },
  ): Promise<Ack>
  get(caller: Caller, which: { sessionId: SessionId } | { agentSessionId: AgentSessionId }): Promise<SessionView>
  list(caller: Caller, input: ListSessionsInput): Promise<SessionList>
  /** Answers early when the execution is in its final state. `waitMs` 0..30,000. */
  result(caller: Caller, id: SessionId, executionId: ExecutionId, waitMs: number): Promise<MessageResult>
  /** The newest messages, or those before a position, as of one number of the log. */
  transcript(caller: Caller, id: SessionId, page: WhichPage): Promise<TranscriptPage>
  /**
   * How far an execution has come, for who follows it with access already looked at; null when it is not there.
   * `over`: it has ended, and so has its finalization.
   */
  progress(id: SessionId, executionId: ExecutionId): Promise<ExecutionProgress | null>
  /** Settles everything running and queued (or the one queued execution named) before it answers. */
  interrupt(caller: Caller, id: SessionId, executionId?: ExecutionId): Promise<InterruptResult>
  /** Absent, deleted or not the caller's: the same answer. */
  remove(caller: Caller, id: SessionId): Promise<void>
  /** With its children and theirs, or nothing: `session_not_found` when one of them is not the caller's any more. */
  removeTree(caller: Caller, id: SessionId): Promise<void>
  /** Every session of a user who is removed, by an operator. The one call that asks nothing about who may. */
  removeAllOf(userId: string, by: Caller): Promise<void>
  /**
   * Records the answer to an open ask; it goes to the agent after that. First answer wins: the same again succeeds,
   * another is `already_answered`; without a use for any, `no_longer_open`. What does not fit is `invalid_input`.
   */
  answerQuestion(caller: Caller, id: SessionId, answer: { questionId: string; answers: string[][] }): Promise<void>
  rejectQuestion(caller: Caller, id: SessionId, questionId: string): Promise<void>
  answerPermission(caller: Caller, id: SessionId, answer: PermissionAnswer): Promise<void>
  /**
   * From the next message on these patterns are allowed or denied without asking. Each must be one that the ask offers to
   * allow for good; any other is `invalid_input`.
   */
  addPermissionRules(
    caller: Caller,
    id: SessionId,
    rules: { permissionId: string; allowed: string[]; denied: string[] },
  ): Promise<void>
  /** What its agent can be asked for by name, as the agent last said; empty before its first start. */
  commands(caller: Caller, id: SessionId): Promise<AgentCommand[]>
  /** Queues the action's prompt; the same again gives the same ack. */
  acceptSuggestion(caller: Caller, id: SessionId, answer: { suggestionId: string; index: number }): Promise<Ack>
  dismissSuggestion(caller: Caller, id: SessionId, suggestionId: string): Promise<void>
  suggestions(caller: Caller, id: SessionId, state: SuggestionState | undefined): Promise<SuggestionView[]>
  /** At most 100, the newest ones, oldest first. */
  asks(caller: Caller, id: SessionId, state: AskState | undefined): Promise<AskView[]>
  diff(caller: Caller, id: SessionId): Promise<SessionDiff>
  timing(caller: Caller, id: SessionId, executionId?: ExecutionId): Promise<Timing>
  /** What its programs reached through the web proxy, and what they were refused; newest minute first. */
  networkLog(caller: Caller, id: SessionId, page: NetworkLogPage): Promise<NetworkLog>
  /** Of all its calls of models, or of one execution's. */
  usage(caller: Caller, id: SessionId, executionId?: ExecutionId): Promise<Usage>
  /** The newest first. */
  executions(
    caller: Caller,
    id: SessionId,
    page: { limit: number; cursor?: string | undefined },
  ): Promise<ExecutionList>
  /** One's own, or an organization's for its owners and admins (`role_required`, `organization_not_found`). */
  usageReport(caller: Caller, input: GetUsageReportInput): Promise<Omit<UsageReport, 'budgets'>>
  /** Of those of these that are the caller's and have called a model. */
  costs(caller: Caller, ids: readonly SessionId[]): Promise<SessionCosts>

  /** Access now, or `session_not_found`; what a stream or a ticket needs to know. */
  access(
    caller: Caller,
    id: SessionId,
  ): Promise<{
    id: SessionId
    agentSessionId: AgentSessionId
    organizationId: string | null
    sandboxId: SandboxId | null
    lastSeq: number
    logId: string
  }>
  /** The state of a session as of one `seq`, for the `connected` frame. Null when it is deleted. */
  connected(id: SessionId): Promise<ConnectedFrame['data'] | null>
  /** Told of each deleted session, so that its live sockets end. Returns the way to stop listening. */
  onDeleted(listener: (id: SessionId) => void): () => void
}
