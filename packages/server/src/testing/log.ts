/** A log for tests and benchmarks: on a real database, with sessions that are there for their numbers alone. */
import { type EventsFrame, newAgentSessionId, newPartId, newSessionId, type SessionId } from '@corral/protocol'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { session, sessionHead } from '../database/schema.ts'
import { createDatabase, type Database } from '../database/transaction.ts'
import { createLog, type Log } from '../log/log.ts'
import type { LogObserver, LogSink, Redact } from '../log/types.ts'

/** Stores what a supervisor sends as it is; keeps no transcript. */
export const bareSink: LogSink = {
  admit: async (_tx, _session, events) =>
    events.flatMap((event) =>
      event.type === 'status' ? [{ type: 'status' as const, data: JSON.stringify(event.data) }] : [],
    ),
  apply: async () => undefined,
}

export type LogUnderTest = { log: Log; database: Database }

/** Holds the term of the database, and opens a log on it. */
export async function openLog(
  pool: Pool,
  options: { sink?: Partial<LogSink>; redact?: Redact; observer?: LogObserver } = {},
): Promise<LogUnderTest> {
  await pool.query(`insert into server (term, until) values (1, 'infinity') on conflict do nothing`)
  const database = createDatabase({ pool, term: () => 1 })
  const log = createLog({
    database,
    sink: { ...bareSink, ...options.sink },
    redact: options.redact ?? ((_session, events) => events),
    logger: pino({ level: 'silent' }),
    ...(options.observer && { observer: options.observer }),
  })
  return { log, database }
}

/** A session whose spool has the epoch 1. */
export async function addSession(database: Database): Promise<SessionId> {
  const id = newSessionId()
  await database.orm.insert(session).values({
    id,
    state: 'open',
    userId: 'user-1',
    agentSessionId: newAgentSessionId(),
    agentKind: 'opencode',
    agentVersion: '1.0.0',
    repository: 'github.com/acme/widgets',
    configuration: {
      prompt: 'Mend the test',
      mode: 'build',
      model: 'scripted/demo',
      autoCommit: false,
      condenseOnComplete: false,
      shallow: false,
      createdOnPlatform: 'test',
      counts: { envVars: 0, secrets: 0, setupCommands: 0, mcpServers: 0 },
      hasCallback: false,
    },
    title: 'Mend the test',
  })
  await database.orm.insert(sessionHead).values({ sessionId: id, epoch: 1 })
  return id
}

/** A text delta, the commonest of all events. */
export function delta(text: string, partID: string = newPartId()): EventsFrame['events'][number] {
  const properties = { sessionID: 'ses_0', messageID: 'msg_0', partID, field: 'text', delta: text }
  return { type: 'kilocode', data: { type: 'message.part.delta', properties } }
}
