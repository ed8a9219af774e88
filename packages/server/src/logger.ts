/**
 * Structured logs, one line per decision, on stderr: stdout belongs to the line that says where the server listens.
 * No line has a secret: members that hold credentials are removed by their names, and errors of the database are told
 * without values. What a supervisor says passes the session's redactor before it is logged.
 */
import { type DestinationStream, type Logger, pino } from 'pino'
import { describeError } from './errorForLog.ts'

/** At the top of a line or one level below. */
const credentials = [
  ...['token', 'ticket', 'linkToken', 'apiKey', 'key', 'secret', 'password', 'bearer', 'cookie', 'authorization'],
  ...['headers', 'environment', 'envVars', 'params'],
]

export function createLogger(
  level: string,
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger {
  return pino(
    {
      level,
      base: undefined,
      serializers: { error: describeError },
      redact: { paths: credentials.flatMap((name) => [name, `*.${name}`]), censor: '[removed]' },
    },
    destination,
  )
}
