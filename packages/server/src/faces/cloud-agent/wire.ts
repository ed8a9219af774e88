/** The two forms that a refusal has on the wire: tRPC's error shape, and problem+json for the REST routes. */
import { STATUS_CODES } from 'node:http'
import {
  type CorralError,
  type RefusalReason,
  refusals,
  type SessionId,
  sessionIdSchema,
  type TrpcCode,
} from '@corral/protocol'
import { TRPC_ERROR_CODES_BY_KEY } from '@trpc/server/rpc'
import { z } from 'zod'
import type { ExecutionFailed } from './executionStream.ts'

export type RefusalData = {
  code: TrpcCode
  httpStatus: number
  path: string | undefined
  reason: RefusalReason
  /** For people: what is wrong, and what to do. */
  sentence: string
  details?: unknown
  retryable: boolean
  cloudAgentSessionId?: SessionId
}

export function trpcError(refusal: CorralError, call: { path: string | undefined; input: unknown }) {
  const { httpStatus, trpcCode, retryable } = refusals[refusal.reason]
  const cloudAgentSessionId = namedOwnSession(httpStatus, call.input)
  const data: RefusalData = {
    code: trpcCode,
    httpStatus,
    path: call.path,
    reason: refusal.reason,
    sentence: refusal.message,
    ...(refusal.details !== undefined && { details: refusal.details }),
    retryable,
    ...(cloudAgentSessionId && { cloudAgentSessionId }),
  }
  return { code: TRPC_ERROR_CODES_BY_KEY[trpcCode], message: refusal.message, data }
}

/**
 * The last frame of a stream whose execution failed. Its code is not that of the HTTP status: clients of tRPC take 5xx
 * for a connection that broke and would come back for ever.
 */
export function failureFrame({ failure, sessionId }: ExecutionFailed, path: string | undefined) {
  const code = 'UNPROCESSABLE_CONTENT'
  const data = {
    code,
    httpStatus: failure.httpStatus,
    path,
    reason: failure.reason,
    sentence: failure.message,
    retryable: failure.retryable,
    cloudAgentSessionId: sessionId,
  }
  return { code: TRPC_ERROR_CODES_BY_KEY[code], message: failure.message, data }
}

const namingInput = z.object({ cloudAgentSessionId: sessionIdSchema.optional(), sessionId: sessionIdSchema.optional() })

/** Left out where the session may be another's: an answer must not differ from that for an id that never existed. */
function namedOwnSession(httpStatus: number, input: unknown): SessionId | undefined {
  if (httpStatus === 400 || httpStatus === 401 || httpStatus === 404) return undefined
  const named = namingInput.safeParse(input)
  return named.success ? (named.data.cloudAgentSessionId ?? named.data.sessionId) : undefined
}

/** What a client sent may still be on its way when its answer is: the next request takes another connection. */
export const headersOf = ({ reason }: CorralError): Record<string, string> =>
  reason === 'body_too_large' ? { connection: 'close' } : {}

/** RFC 9457, with `error` for readers of the seed's form. */
export const problem = (refusal: CorralError): Response => problemResponse(refusal, problemBody(refusal))

export function problemBody(refusal: CorralError) {
  const { httpStatus, retryable } = refusals[refusal.reason]
  return {
    type: 'about:blank',
    title: STATUS_CODES[httpStatus],
    status: httpStatus,
    detail: refusal.message,
    reason: refusal.reason,
    error: refusal.reason,
    ...(refusal.details !== undefined && { details: refusal.details }),
    retryable,
  }
}

export const problemResponse = (refusal: CorralError, body: object): Response =>
  Response.json(body, {
    status: refusals[refusal.reason].httpStatus,
    headers: { 'content-type': 'application/problem+json', ...headersOf(refusal) },
  })
