/**
 * What a call can come back with, whichever way it was made: the server's refusal with its reason and sentence, or
 * that there was no server to answer.
 */
import { TRPCClientError } from '@trpc/client'
import { z } from 'zod'

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

  /** Repeating the call cannot help: it was understood, and refused for what it is. */
  get isFinal(): boolean {
    const status = this.httpStatus ?? 0
    return status >= 400 && status < 500 && ![408, 425, 429].includes(status)
  }
}

export function unreachable(url: string, cause: unknown): CorralCallError {
  return new CorralCallError(
    'unreachable',
    `The server at ${new URL(url).origin} did not answer: ${reasonOf(cause)}.`,
    { cause },
  )
}

/** The innermost sentence: `fetch failed` alone says nothing. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return (cause.cause !== undefined && reasonOf(cause.cause)) || cause.message
}

const refusalSchema = z.object({
  reason: z.string(),
  sentence: z.string(),
  httpStatus: z.number(),
  details: z.unknown().optional(),
})

/** An error of tRPC's client as ours; what is none stays as it is. */
export function callError(error: unknown, url: string): unknown {
  if (!(error instanceof TRPCClientError)) return error
  const refusal = refusalSchema.safeParse(error.data)
  if (!refusal.success) return unreachable(url, error.cause ?? error)
  const { reason, sentence, ...rest } = refusal.data
  return new CorralCallError(reason, sentence, { ...rest, cause: error })
}

/** Null when there is no answer now; throws what asking again will not mend. */
export async function answered<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof CorralCallError) || error.isFinal) throw error
    return null
  }
}
