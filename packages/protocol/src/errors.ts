/**
 * The one table of refusals: reason → HTTP status → tRPC code → sentence. Every face maps `CorralError` from it,
 * so that the same refusal looks the same everywhere. Source: 30-cloud-agent-api §2.
 */
export type TrpcCode =
  | 'BAD_REQUEST'
  | 'UNAUTHORIZED'
  | 'PAYMENT_REQUIRED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'PRECONDITION_FAILED'
  | 'PAYLOAD_TOO_LARGE'
  | 'TOO_MANY_REQUESTS'
  | 'INTERNAL_SERVER_ERROR'
  | 'NOT_IMPLEMENTED'
  | 'SERVICE_UNAVAILABLE'

type Refusal = { httpStatus: number; trpcCode: TrpcCode; retryable: boolean; sentence: string }

const refusal = (httpStatus: number, trpcCode: TrpcCode, sentence: string, retryable = false): Refusal => ({
  httpStatus,
  trpcCode,
  retryable,
  sentence,
})

export const refusals = {
  invalid_input: refusal(400, 'BAD_REQUEST', 'The input is not valid; see details for each member.'),
  balance_bypass_refused: refusal(400, 'BAD_REQUEST', 'x-skip-balance-check needs the internal key.'),
  target_refused: refusal(400, 'BAD_REQUEST', 'This address is not allowed by the outbound policy.'),
  invalid_session_id: refusal(400, 'BAD_REQUEST', 'This is no id of a session: ses_ and 26 letters and digits.'),
  session_moved_to_cloud: refusal(
    400,
    'BAD_REQUEST',
    'This session goes on in the cloud; what its agent does elsewhere is no longer taken.',
  ),
  unauthorized: refusal(401, 'UNAUTHORIZED', 'No valid API key or token was sent; send Authorization: Bearer <key>.'),
  internal_key_required: refusal(401, 'UNAUTHORIZED', 'This procedure needs a valid x-internal-api-key.'),
  insufficient_credits: refusal(402, 'PAYMENT_REQUIRED', 'The budget is used up.'),
  insufficient_scope: refusal(403, 'FORBIDDEN', 'This key lacks the scope that the call needs; use one that has it.'),
  role_required: refusal(403, 'FORBIDDEN', 'Your role in this organization does not allow that.'),
  operator_required: refusal(403, 'FORBIDDEN', 'Only an operator of this installation may do that.'),
  session_not_found: refusal(404, 'NOT_FOUND', 'There is no such session.'),
  execution_not_found: refusal(404, 'NOT_FOUND', 'There is no such execution in this session.'),
  question_not_found: refusal(404, 'NOT_FOUND', 'There is no such question in this session.'),
  permission_not_found: refusal(404, 'NOT_FOUND', 'There is no such permission request in this session.'),
  suggestion_not_found: refusal(404, 'NOT_FOUND', 'There is no such suggestion in this session.'),
  delivery_not_found: refusal(404, 'NOT_FOUND', 'There is no such delivery in this session.'),
  organization_not_found: refusal(404, 'NOT_FOUND', 'There is no such organization.'),
  terminal_not_found: refusal(404, 'NOT_FOUND', 'There is no such terminal in this session.'),
  user_not_found: refusal(404, 'NOT_FOUND', 'There is no such user.'),
  member_not_found: refusal(404, 'NOT_FOUND', 'There is no such member in this organization.'),
  key_not_found: refusal(404, 'NOT_FOUND', 'There is no such API key.'),
  procedure_not_found: refusal(404, 'NOT_FOUND', 'There is no procedure of this name.'),
  idempotency_mismatch: refusal(409, 'CONFLICT', 'This clientId was used before with other content.'),
  already_initiated: refusal(409, 'CONFLICT', 'The session has been initiated; its configuration is fixed now.'),
  already_exists: refusal(409, 'CONFLICT', 'There is one of that name already.'),
  last_owner: refusal(409, 'CONFLICT', 'An organization keeps at least one owner; make another one first.'),
  version_conflict: refusal(409, 'CONFLICT', 'The configuration has changed since that version; read it again.'),
  already_answered: refusal(409, 'CONFLICT', 'This request has another answer already.'),
  no_longer_open: refusal(409, 'CONFLICT', 'This is no longer open.'),
  not_prepared: refusal(412, 'PRECONDITION_FAILED', 'The session must be prepared first.'),
  not_initiated: refusal(412, 'PRECONDITION_FAILED', 'The session must be initiated before it takes follow-ups.'),
  sandbox_not_running: refusal(
    412,
    'PRECONDITION_FAILED',
    'The sandbox of this session is not running, or its workspace is not ready; send a message, or try again in a moment.',
    true,
  ),
  body_too_large: refusal(413, 'PAYLOAD_TOO_LARGE', 'The request body is larger than 4 MiB.'),
  queue_full: refusal(
    429,
    'TOO_MANY_REQUESTS',
    'Ten messages are queued already; wait until one has begun, or stop the session.',
    true,
  ),
  too_many_terminals: refusal(
    429,
    'TOO_MANY_REQUESTS',
    'This session has four terminals already; close one of them first.',
    true,
  ),
  too_many_pushes: refusal(
    429,
    'TOO_MANY_REQUESTS',
    'That is more than 3,000 pushes in a minute; wait a little.',
    true,
  ),
  internal: refusal(500, 'INTERNAL_SERVER_ERROR', 'Something went wrong on our side.', true),
  not_implemented: refusal(501, 'NOT_IMPLEMENTED', 'This version of Corral does not have this procedure yet.'),
  unavailable: refusal(503, 'SERVICE_UNAVAILABLE', 'Corral cannot work right now; try again in a moment.', true),
} as const satisfies Record<string, Refusal>

export type RefusalReason = keyof typeof refusals

/** A member of the input that is not valid: a path such as `envVars.HOME`, and what is wrong with it. */
export type InputDetail = { path: string; message: string }

/** A refusal with its row in the table. `cause` goes to the log, never to a client. */
export class CorralError extends Error {
  readonly reason: RefusalReason
  readonly details: unknown

  constructor(reason: RefusalReason, options: { sentence?: string; details?: unknown; cause?: unknown } = {}) {
    super(options.sentence ?? refusals[reason].sentence, { cause: options.cause })
    this.name = 'CorralError'
    this.reason = reason
    this.details = options.details
  }
}

export const invalidInput = (path: string, message: string): CorralError =>
  new CorralError('invalid_input', {
    sentence: `${path}: ${message}.`,
    details: [{ path, message }] satisfies InputDetail[],
  })
