/**
 * How the facade refuses: a code of its own with a status, and for the SDKs the form in which they know errors. What the
 * engine refuses is said in these codes. Source: 31 (c) "Rules for every route".
 */
import { type CorralError, type RefusalReason, refusals } from '@corral/protocol'

export const facadeCodes = {
  KILO_UNAUTHORIZED: 401,
  KILO_SCOPE_REQUIRED: 403,
  KILO_ROUTE_UNSUPPORTED: 501,
  KILO_SESSION_NOT_FOUND: 404,
  KILO_MESSAGE_NOT_FOUND: 404,
  KILO_INTERACTION_REQUEST_NOT_FOUND: 404,
  KILO_BALANCE_BYPASS_UNSUPPORTED: 400,
  KILO_QUERY_INVALID: 400,
  KILO_SESSION_SELECTOR_UNSUPPORTED: 400,
  KILO_SESSION_LIST_SELECTOR_UNSUPPORTED: 400,
  KILO_EVENT_SELECTOR_UNSUPPORTED: 400,
  KILO_EVENT_DIRECTORY_REQUIRED: 400,
  KILO_BASIC_PROMPT_UNSUPPORTED: 400,
  KILO_PROMPT_ADMISSION_REJECTED: 400,
  KILO_COMMAND_ADMISSION_REJECTED: 400,
  KILO_COMMAND_BODY_INVALID: 400,
  KILO_COMMAND_PARTS_UNSUPPORTED: 400,
  KILO_INTERACTION_BODY_INVALID: 400,
  KILO_SESSION_CREATE_UNSUPPORTED: 400,
  KILO_SESSION_UPDATE_UNSUPPORTED: 400,
  KILO_SESSION_CREATE_CONFLICT: 409,
  KILO_BALANCE_VALIDATION_FAILED: 402,
  KILO_INTERACTION_ANSWERED: 409,
  KILO_BODY_TOO_LARGE: 413,
  KILO_PROMPT_QUEUE_FULL: 429,
  KILO_COMMAND_QUEUE_FULL: 429,
  KILO_INTERNAL: 500,
  KILO_FACADE_UNAVAILABLE: 503,
} as const
export type FacadeCode = keyof typeof facadeCodes

export class FacadeRefusal extends Error {
  readonly code: FacadeCode
  readonly status: number

  /** `status` where one code has several. The sentence is for people. */
  constructor(code: FacadeCode, sentence: string, options: { status?: number; cause?: unknown } = {}) {
    super(sentence, { cause: options.cause })
    this.name = 'FacadeRefusal'
    this.code = code
    this.status = options.status ?? facadeCodes[code]
  }
}

/** What a route says of the engine's refusals where the general answer does not do. */
export type RefusalCodes = Partial<Record<RefusalReason, FacadeCode>>

const general = {
  unauthorized: 'KILO_UNAUTHORIZED',
  insufficient_scope: 'KILO_SCOPE_REQUIRED',
  balance_bypass_refused: 'KILO_BALANCE_BYPASS_UNSUPPORTED',
  session_not_found: 'KILO_SESSION_NOT_FOUND',
  insufficient_credits: 'KILO_BALANCE_VALIDATION_FAILED',
  body_too_large: 'KILO_BODY_TOO_LARGE',
  queue_full: 'KILO_PROMPT_QUEUE_FULL',
  invalid_input: 'KILO_QUERY_INVALID',
  not_implemented: 'KILO_ROUTE_UNSUPPORTED',
  unavailable: 'KILO_FACADE_UNAVAILABLE',
} as const satisfies RefusalCodes

/** One code stands for what was not admitted, whatever the status. */
const ofAdmission: ReadonlySet<FacadeCode> = new Set([
  'KILO_PROMPT_ADMISSION_REJECTED',
  'KILO_COMMAND_ADMISSION_REJECTED',
])

export function facadeRefusal(error: CorralError, codes: RefusalCodes): FacadeRefusal {
  const known: RefusalCodes = { ...general, ...codes }
  const code = known[error.reason] ?? 'KILO_INTERNAL'
  const { httpStatus } = refusals[error.reason]
  const status = ofAdmission.has(code) ? httpStatus : facadeCodes[code]
  return new FacadeRefusal(code, error.message, { status, cause: error })
}

export function refusalResponse({ code, status, message }: FacadeRefusal): Response {
  const name = status === 404 ? 'NotFoundError' : status === 400 ? 'BadRequest' : 'UnknownError'
  return Response.json(
    { error: code, message, name, data: { message } },
    { status, headers: status === 503 ? { 'retry-after': '1' } : {} },
  )
}

/** The same bytes for everything that is not the caller's, or not at all. */
export const sessionNotFound = () => new FacadeRefusal('KILO_SESSION_NOT_FOUND', refusals.session_not_found.sentence)
