/**
 * Every error on its way out becomes a `CorralError`, whose row in the table of refusals says the rest. What is ours is
 * logged under a reference, and the reference is all that a client learns of it.
 */
import { randomBytes } from 'node:crypto'
import { CorralError, type InputDetail, invalidInput, refusals } from '@corral/protocol'
import { TRPCError } from '@trpc/server'
import type { Logger } from 'pino'
import { ZodError, type z } from 'zod'
import { isConnectionError } from '../../database/connect.ts'

export function refusalOf(error: unknown, context: { logger: Logger; path: string | undefined }): CorralError {
  const { logger, path } = context
  const cause = error instanceof TRPCError ? (error.cause ?? error) : error
  if (cause instanceof CorralError) return cause
  if (error instanceof TRPCError) {
    const refusal = protocolRefusal(error)
    if (refusal !== null) return refusal
  }
  if (isConnectionError(cause)) {
    logger.warn({ err: cause, path }, 'the database is away')
    return new CorralError('unavailable', { cause })
  }
  const reference = randomBytes(6).toString('hex')
  logger.error({ err: cause, path, reference }, 'a call failed')
  return new CorralError('internal', { sentence: `${refusals.internal.sentence} Reference: ${reference}.`, cause })
}

/** What tRPC itself refuses: inputs that fail their schema, unknown names, requests that are no tRPC calls. */
function protocolRefusal(error: TRPCError): CorralError | null {
  switch (error.code) {
    case 'NOT_FOUND':
      return new CorralError('procedure_not_found')
    case 'BAD_REQUEST':
    case 'PARSE_ERROR':
      if (error.cause instanceof ZodError) return inputRefusal(error.cause)
      if (error.cause instanceof SyntaxError) return invalidInput('request', 'is not valid JSON')
      return invalidInput('request', error.message)
    case 'METHOD_NOT_SUPPORTED':
    case 'UNSUPPORTED_MEDIA_TYPE':
      return invalidInput('request', error.message)
    default:
      return null
  }
}

/** The input as its schema has it, or the refusal. */
export function parseInput<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw inputRefusal(parsed.error)
  return parsed.data
}

/** Names each member that is wrong, and each that is unknown; never repeats a value. */
function inputRefusal(error: ZodError): CorralError {
  const details = error.issues.flatMap((issue) => detailsOf(issue))
  const [first] = details
  const more = details.length > 1 ? ` (and ${details.length - 1} more; see details)` : ''
  const sentence = first ? `${first.path}: ${first.message}${more}.` : undefined
  return new CorralError('invalid_input', { sentence, details })
}

function detailsOf(issue: z.core.$ZodIssue): InputDetail[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'is not known' }))
  }
  const message = issue.code === 'invalid_key' ? issue.issues.map((inner) => inner.message).join(', ') : issue.message
  return [{ path: pathOf(issue.path), message }]
}

const pathOf = (path: PropertyKey[]) => (path.length === 0 ? 'input' : path.map(String).join('.'))
