/**
 * What a call can come back with, whichever way it was made: the server's refusal with its reason and sentence, or
 * that there was no server to answer.
 */
import { TRPCClientError } from '@trpc/client'

export class CorralCallError extends Error {
  /** The refusal's reason, e.g. `session_not_found`; `unreachable` when no server answered. */
  readonly reason: string
  readonly httpStatus: number | null
  readonly details: unknown

  constructor(
    reason: string,
    sentence: string,
    options: { httpStatus?: number; details?: unknown; cause?: unknown } = {},
  ) {
    super(sentence, { cause: options.cause })
    this.name = 'CorralCallError'
    this.reason = reason
    this.httpStatus = options.httpStatus ?? null
    this.details = options.details
  }
}

/** Any error of a call as a `CorralCallError`; what is none of a call stays as it is. */
export function callError(error: unknown): unknown {
  if (!(error instanceof TRPCClientError)) return error
  const data: unknown = error.data
  if (isRefusal(data)) {
    return new CorralCallError(data.reason, data.sentence, {
      httpStatus: data.httpStatus,
      details: data.details,
      cause: error,
    })
  }
  return new CorralCallError('unreachable', `The server did not answer: ${error.message}`, { cause: error })
}

export async function fetchJson(url: string, init: RequestInit): Promise<unknown> {
  let response: Response
  try {
    response = await fetch(url, { ...init, signal: AbortSignal.timeout(60_000) })
  } catch (error) {
    throw new CorralCallError('unreachable', `The server at ${new URL(url).origin} did not answer.`, { cause: error })
  }
  const body: unknown = await response.json().catch(() => null)
  if (response.ok) return body
  const problem = body as { reason?: string; detail?: string; details?: unknown } | null
  throw new CorralCallError(
    problem?.reason ?? 'internal',
    problem?.detail ?? `The server answered ${response.status}.`,
    {
      httpStatus: response.status,
      details: problem?.details,
    },
  )
}

type Refusal = { reason: string; sentence: string; httpStatus: number; details?: unknown }

function isRefusal(data: unknown): data is Refusal {
  return typeof data === 'object' && data !== null && 'reason' in data && 'sentence' in data
}
