/**
 * Connections to PostgreSQL, and the one answer to "is it away, or is my statement wrong?".
 * Invariants: every wait on the database is bounded; a connection that breaks ends no process.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Pool, types } from 'pg'

const connectTimeoutMs = 5_000
const idleInTransactionTimeoutMs = 60_000
const statementTimeoutMs = 60_000
/** Above the server's own limit, for a server that is frozen or cut off and so cannot keep it. */
const answerTimeoutMs = statementTimeoutMs + 5_000

/** PostgreSQL takes 100 connections by default; this leaves room for the gateway, side jobs and a person with psql. */
const maxConnections = 20

/** Connects at the first query, not here. The process's way to read `bigint` changes with it: to a number. */
export function connect(url: string): Pool {
  // For the whole process and not this pool alone, since drizzle asks the process-wide parsers.
  types.setTypeParser(types.builtins.INT8, safeInteger)
  const pool = new Pool({
    connectionString: url,
    application_name: 'corral',
    max: maxConnections,
    keepAlive: true,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: answerTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    // Statements that do not wait for one another share a round trip; see `together.ts`.
    pipeline: true,
  })
  // A connection broke while no query ran on it. Unheard, that would end the process; the next query on it says so too.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** Our numbers (`seq`, sizes, counts) stay below 2^53; one above it is a bug that must not be rounded away. */
function safeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`The database returned ${text}, which is not a safe integer.`)
  return value
}

/** Of the calls to the socket alone: an ENOENT may be about any file. */
const socketCalls = new Set(['connect', 'read', 'write', 'getaddrinfo'])
/** Class 08, too many connections, and the server shutting down, crashed or starting up. */
const awaySqlState = /^(08...|53300|57P0[123])$/
/** Errors that `pg` gives no code. */
const awayMessages = new Set([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Query read timeout',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
])

/**
 * Whether `error`, thrown by a call of the database, means that the database is away: the same call may succeed later.
 * After such an error during COMMIT it is unknown whether the transaction was committed.
 */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (awayMessages.has(error.message)) return true
  if ('syscall' in error && socketCalls.has(String(error.syscall))) return true
  if ('code' in error && awaySqlState.test(String(error.code))) return true
  // Several addresses were tried, or a library wrapped it.
  return (error instanceof AggregateError && error.errors.some(isConnectionError)) || isConnectionError(error.cause)
}

/** Returns once the database answers; throws what it says if that is anything but being away, or when the time is up. */
export async function waitUntilReady(pool: Pool, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (let pauseMs = 25; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
    const error = await failureOf(pool, deadline - Date.now())
    if (error === null) return
    if (!isConnectionError(error)) throw error
    if (Date.now() + pauseMs >= deadline) {
      const reason = error.message || 'no answer'
      throw new Error(
        `The database did not answer within ${timeoutMs / 1000} s (${reason}). Check that PostgreSQL runs and that ` +
          'DATABASE_URL is right.',
        { cause: error },
      )
    }
    await delay(pauseMs)
  }
}

async function failureOf(pool: Pool, timeoutMs: number): Promise<Error | null> {
  const answer = pool.query('select 1').then(
    () => null,
    (error: Error) => error,
  )
  return Promise.race([answer, delay(timeoutMs, new Error('timeout expired'), { ref: false })])
}
