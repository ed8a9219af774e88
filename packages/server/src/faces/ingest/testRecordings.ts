/** For tests: the face of ingest over real sessions and a real log. No agent runs. */
import type { Logger } from 'pino'
import { defaultTimers } from '../../config.ts'
import type { Database } from '../../database/transaction.ts'
import type { Identity } from '../../identity/identity.ts'
import { internalApiSecret } from '../../identity/testIdentity.ts'
import type { Log } from '../../log/log.ts'
import { createRecordings } from '../../sessions/recorded/recordings.ts'
import type { Sessions } from '../../sessions/sessions.ts'
import { createMessages } from '../../sessions/transcript/messages.ts'
import { ingestFace } from './routes.ts'

export function testRecordings(deps: {
  database: Database
  log: Pick<Log, 'appendIn'>
  sessions: Sessions
  identity: Identity
  logger: Logger
}) {
  const { database, identity, logger } = deps
  const messages = createMessages(database)
  const recordings = createRecordings({
    ...deps,
    messages,
    membership: identity.membership,
    keys: { cursors: Buffer.from('cursors'), shares: Buffer.from('shares') },
    rename: async () => false,
    turnEnded: () => {},
    timers: defaultTimers,
  })
  return {
    recordings,
    face: ingestFace({ recordings, messages, identity, internalApiSecret, publicUrl: null, logger }),
  }
}
