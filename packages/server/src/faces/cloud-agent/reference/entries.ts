/**
 * What the reference says of each procedure beside what the router knows itself: what it does and answers, and how it
 * refuses. `invalid_input`, `unauthorized`, `insufficient_scope`, `internal` and `unavailable` can come from any call.
 */
import {
  initiateInput,
  initiateSessionAsyncInput,
  prepareSessionInput,
  type RefusalReason,
  sendMessageStreamInput,
} from '@corral/protocol'
import type { z } from 'zod'
import type { AppRouter } from '../router.ts'

export type Entry = {
  does: string
  answers: string
  refusals: readonly RefusalReason[]
  /** Where tRPC does not check the input itself. */
  input?: z.ZodType
}

const ack = '{cloudAgentSessionId, kiloSessionId, executionId, status: queued | started, streamUrl}'
const pair = '{cloudAgentSessionId, kiloSessionId, replayed?}'
const success = '{success: true}'
const stream = 'server-sent events, flat; see Streams'
const prepares = ['target_refused', 'insufficient_credits', 'organization_not_found'] as const
const answers = ['session_not_found', 'already_answered', 'no_longer_open'] as const
const ofExecution = ['session_not_found', 'execution_not_found'] as const
const ofMessage = [
  'session_not_found',
  'not_initiated',
  'insufficient_credits',
  'idempotency_mismatch',
  'queue_full',
] satisfies RefusalReason[]

type Name = Extract<keyof AppRouter['_def']['procedures'], string>

export const entries: { readonly [N in Name]?: Entry } = {
  health: { does: 'Says that the process lives.', answers: '{status: ok, timestamp, version}', refusals: [] },
  prepareSession: {
    does: 'Stores a session with its configuration and makes its workspace ready. The same clientId gives the same session.',
    answers: pair,
    refusals: [...prepares, 'idempotency_mismatch'],
  },
  prepareLegacySession: {
    does: 'The same for a session that has both its ids already; one that was pushed from elsewhere goes on here.',
    answers: pair,
    refusals: [...prepares, 'idempotency_mismatch', 'session_not_found', 'already_initiated'],
  },
  updateSession: {
    does: 'Changes the configuration until the session is initiated: absent stays, null clears, an empty collection empties, a value replaces. callbackTarget alone may change later.',
    answers: '{success: true, version}',
    refusals: ['session_not_found', 'not_prepared', 'already_initiated', 'version_conflict', 'target_refused'],
  },
  start: {
    does: 'Prepares and initiates in one step.',
    answers: ack,
    refusals: [...prepares, 'idempotency_mismatch'],
  },
  initiateFromPreparedSession: {
    does: 'Turns the stored prompt into the first execution, once; again gives the same answer.',
    answers: ack,
    refusals: ['session_not_found', 'not_prepared', 'insufficient_credits'],
  },
  initiateFromKilocodeSessionV2: {
    does: 'Another name of initiateFromPreparedSession.',
    answers: ack,
    refusals: ['session_not_found', 'not_prepared', 'insufficient_credits'],
  },
  sendMessage: {
    does: 'Queues a message: first in, first out, at most ten. The same clientId gives the same execution.',
    answers: ack,
    refusals: ofMessage,
  },
  sendMessageV2: {
    does: 'Another name of sendMessage.',
    answers: ack,
    refusals: ofMessage,
  },
  updateExecution: {
    does: 'Changes a message that is still queued.',
    answers: ack,
    refusals: [...ofExecution, 'no_longer_open'],
  },
  interruptSession: {
    does: 'Ends everything that runs and waits, before it answers; or one queued execution.',
    answers: '{success: true, interruptedExecutionIds, message, killedProcessIds: [], failedProcessIds: []}',
    refusals: ofExecution,
  },
  deleteSession: {
    does: 'Removes a session with its log and its files. A success, too, where there is none.',
    answers: success,
    refusals: [],
  },
  answerQuestion: {
    does: 'Answers a question of the agent, one list per question. The first answer counts.',
    answers: success,
    refusals: [...answers, 'question_not_found'],
  },
  rejectQuestion: {
    does: 'Leaves a question of the agent unanswered.',
    answers: success,
    refusals: [...answers, 'question_not_found'],
  },
  answerPermission: {
    does: 'Says whether the agent may use a tool.',
    answers: success,
    refusals: [...answers, 'permission_not_found'],
  },
  listAsks: {
    does: 'Questions and permission requests of a session.',
    answers: '{asks}',
    refusals: ['session_not_found'],
  },
  getSession: {
    does: 'One session by either id; never a value of a variable, a token or a setup command.',
    answers: 'the session',
    refusals: ['session_not_found'],
  },
  listSessions: {
    does: 'Sessions, newest activity first.',
    answers: '{sessions, nextCursor}',
    refusals: ['organization_not_found'],
  },
  getMessageResult: {
    does: 'How an execution stands or ended; waits for its end up to waitMs.',
    answers: '{status, queuePosition?, startedAt?, endedAt?, failure?, assistant?, finalization?, callback?, …}',
    refusals: ofExecution,
  },
  getTranscript: {
    does: 'The newest messages with their parts, or those before a position, as of one number of the log. The stream goes on from that number.',
    answers: '{seq, logId, messages, events, omitted, before, …}',
    refusals: ['session_not_found'],
  },
  acceptSuggestion: {
    does: 'Queues the prompt of an action that the agent has suggested. The first answer counts.',
    answers: ack,
    refusals: [...answers, 'suggestion_not_found', 'insufficient_credits', 'queue_full'],
  },
  dismissSuggestion: {
    does: 'Takes a suggestion away.',
    answers: success,
    refusals: [...answers, 'suggestion_not_found'],
  },
  listSuggestions: {
    does: 'What the agent has suggested to do next; nothing waits for it, and the next message withdraws it.',
    answers: '{suggestions}',
    refusals: ['session_not_found'],
  },
  listCommands: {
    does: 'The slash commands of a session, as its agent last named them; none before its first start.',
    answers: '{commands: [{name, description?, hints, …}]}',
    refusals: ['session_not_found'],
  },
  getDiff: {
    does: 'What has changed since the session began.',
    answers: '{base, branch, files, patch, truncated}',
    refusals: ['session_not_found'],
  },
  getTiming: {
    does: 'The steps of a start, each with its time.',
    answers: '{steps, queuedMs, setupMs, agentExecutionMs, totalMs, …}',
    refusals: ofExecution,
  },
  getUsage: {
    does: 'Tokens and cost of a session, or of one execution.',
    answers: 'tokens and cost',
    refusals: ofExecution,
  },
  getNetworkLog: {
    does: 'What the web proxy has let through and refused.',
    answers: 'a page of decisions',
    refusals: ofExecution,
  },
  getInstallation: {
    does: 'What sessions can be made with here.',
    answers: '{agents: [{name, version}], defaultAgent, defaultModel, models, upstreams}',
    refusals: [],
  },
  listExecutions: {
    does: 'The executions of a session, newest first.',
    answers:
      '{executions: [{executionId, status, prompt, mode, model, createdAt, startedAt?, endedAt?, failure?}], nextCursor}',
    refusals: ['session_not_found'],
  },
  listSessionCosts: {
    does: 'What sessions have cost so far; those that are not one’s own are left out.',
    answers: '{costs: [{cloudAgentSessionId, costUsd, unpricedCalls}]}',
    refusals: [],
  },
  getUsageReport: {
    does: 'Tokens and cost of a range of days (UTC) by day, model, user and session: one’s own, or, for its owners and admins, an organization’s.',
    answers: '{from, to, total, days, models, users, sessions, budgets}',
    refusals: ['organization_not_found', 'role_required'],
  },
  listCallbacks: { does: 'Deliveries of a session.', answers: 'a page of deliveries', refusals: ['session_not_found'] },
  redeliverCallback: {
    does: 'Tries a delivery again, with the same body.',
    answers: success,
    refusals: ['session_not_found', 'delivery_not_found'],
  },
  getCallbackKeys: {
    does: 'The keys that callbacks are signed with.',
    answers: '{keys: [{keyId, secret, createdAt, expiresAt?}]}',
    refusals: ['organization_not_found', 'role_required'],
  },
  rotateCallbackKey: {
    does: 'Makes a new key; the one before signs on for 24 hours.',
    answers: '{keys: [{keyId, secret, createdAt, expiresAt?}]}',
    refusals: ['organization_not_found', 'role_required'],
  },
  createTerminal: {
    does: 'Opens a terminal in the workspace of a session whose sandbox runs: 80 by 24 where cols and rows do not say. A ticket for it opens the WebSocket /terminal.',
    answers: '{ptyId, cols, rows}',
    refusals: ['session_not_found', 'sandbox_not_running', 'too_many_terminals', 'not_implemented'],
  },
  resizeTerminal: {
    does: 'Gives a terminal another size.',
    answers: success,
    refusals: ['session_not_found', 'terminal_not_found'],
  },
  closeTerminal: {
    does: 'Ends a terminal and all that runs in it. A success, too, where there is none.',
    answers: success,
    refusals: ['session_not_found'],
  },
  listTerminals: {
    does: 'The terminals of a session.',
    answers: '{terminals: [{ptyId, cols, rows, attached}]}',
    refusals: ['session_not_found'],
  },
  initiateSessionStream: {
    does: 'Deprecated: start, and a stream of its execution.',
    answers: stream,
    refusals: [...prepares, 'idempotency_mismatch'],
    input: prepareSessionInput,
  },
  initiateSessionAsync: {
    does: 'Deprecated: the same with a callback; booleans may be words.',
    answers: stream,
    refusals: [...prepares, 'idempotency_mismatch'],
    input: initiateSessionAsyncInput,
  },
  sendMessageStream: {
    does: 'Deprecated: sendMessage, and a stream of its execution.',
    answers: stream,
    refusals: ['session_not_found', 'not_initiated', 'insufficient_credits', 'idempotency_mismatch', 'queue_full'],
    input: sendMessageStreamInput,
  },
  initiateFromKilocodeSession: {
    does: 'Deprecated: initiateFromPreparedSession, and a stream of its execution; or, with kiloSessionId, the same for a session that was pushed.',
    answers: stream,
    refusals: [...prepares, 'session_not_found', 'not_prepared', 'already_initiated'],
    input: initiateInput,
  },
}
