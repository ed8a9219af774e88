/**
 * The supervisor's own log: one JSON object per line on stderr, which the sandbox's init keeps on the host.
 * Never a secret in it: callers pass ids, counts and our own sentences, not what programs printed.
 */
export type LogLevel = 'info' | 'warn' | 'error'
export type Log = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void

export function createLog(write: (line: string) => void): Log {
  return (level, message, fields) =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`)
}
