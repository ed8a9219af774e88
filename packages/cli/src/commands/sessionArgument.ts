/** The argument that names a session. */
import { type SessionId, sessionIdSchema } from '@corral/protocol'
import { CliError } from '../cliError.ts'
import { oneLine } from '../show/safeText.ts'

export function sessionOf(given: string): SessionId {
  const id = sessionIdSchema.safeParse(given)
  if (id.success) return id.data
  throw new CliError(
    `"${oneLine(given)}" is not a session.`,
    'a session is agent_ followed by a UUID',
    'list yours with "corral ls"',
  )
}
