/** Structured logs, one line per decision, on stderr: stdout belongs to the line that says where the server listens. */
import { type Logger, pino } from 'pino'

export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: undefined,
      // Errors under their usual names as text; a stack is in `error.stack`.
      serializers: { error: pino.stdSerializers.err },
      redact: { paths: ['*.token', '*.linkToken', '*.apiKey', '*.authorization', '*.headers'], censor: '[removed]' },
    },
    pino.destination({ dest: 2, sync: true }),
  )
}
