/**
 * An error as a log line tells it: name, sentence, code and stack, of its causes, too. Nothing else of it: a query's
 * parameters and a row's values (which the database's driver adds to its errors) are what somebody has stored.
 */

export type ErrorForLog = { type: string; message: string; code?: string; stack: string; cause?: ErrorForLog }

const mostCauses = 8

export function describeError(error: unknown): unknown {
  return error instanceof Error ? describe(error, mostCauses) : error
}

function describe(error: Error, left: number): ErrorForLog {
  const message = messageOf(error)
  // The stack begins with the error's own words, which may be more than ours.
  const frames = error.stack?.slice(error.stack.lastIndexOf(error.message) + error.message.length) ?? ''
  return {
    type: error.name,
    message,
    ...('code' in error && typeof error.code === 'string' ? { code: error.code } : {}),
    stack: `${error.name}: ${message}${frames}`,
    ...(error.cause instanceof Error && left > 0 ? { cause: describe(error.cause, left - 1) } : {}),
  }
}

/** Drizzle puts a query and its parameters into the sentence. */
function messageOf(error: Error): string {
  return 'query' in error && typeof error.query === 'string' && 'params' in error
    ? `Failed query: ${error.query}`
    : error.message
}
