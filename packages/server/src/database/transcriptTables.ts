/** The rows of the transcript: the last full state of each message and part, and what is known of pushed items. */
import type { ExecutionId } from '@corral/protocol'
import { index, integer, pgSequence, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { bytea, count, sessionIdColumn } from './columns.ts'
import { session } from './schema.ts'

/** The transcript: the last full state of each message … */
export const message = pgTable(
  'message',
  {
    sessionId: sessionIdColumn('session_id').notNull(),
    id: text('id').notNull(),
    /** The `seq` of the first event about it; the order of messages. */
    position: count('position').notNull(),
    executionId: text('execution_id').$type<ExecutionId>(),
    /** The agent's session: the root's, or that of a sub-agent. */
    agentSessionId: text('agent_session_id').notNull(),
    role: text('role', { enum: ['user', 'assistant'] }).notNull(),
    info: text('info').notNull(),
    /** The `seq` of the last event about it, without its parts. */
    changedSeq: count('changed_seq').notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.sessionId, t.id] }), index('message_order').on(t.sessionId, t.position)],
)

/** … and of each of its parts, which may come before the message itself. Readers fold later deltas onto `data`. */
export const part = pgTable(
  'part',
  {
    sessionId: sessionIdColumn('session_id').notNull(),
    messageId: text('message_id').notNull(),
    id: text('id').notNull(),
    position: count('position').notNull(),
    type: text('type').notNull(),
    data: text('data').notNull(),
    /** Deltas up to this `seq` are contained in `data`. */
    foldedSeq: count('folded_seq').notNull(),
  },
  (t) => [primaryKey({ columns: [t.sessionId, t.messageId, t.id] })],
)

/** The session object as the agent itself last told it. */
export const sessionInfo = pgTable('session_info', {
  sessionId: sessionIdColumn('session_id')
    .primaryKey()
    .references(() => session.id, { onDelete: 'cascade' }),
  info: text('info').notNull(),
})

/** Numbers pushes in the order in which their heads arrived, whichever server's clock they came by. */
export const pushOrder = pgSequence('push_order')

/** What has been pushed of a session, item by item: enough to tell what is new, and what is not in the transcript. */
export const pushedItem = pgTable(
  'pushed_item',
  {
    sessionId: sessionIdColumn('session_id')
      .notNull()
      .references(() => session.id, { onDelete: 'cascade' }),
    /** What the item is: `message/<id>`, `<message>/<part>`, `session_diff`, … */
    key: text('key').notNull(),
    /** Of the push that it came with. */
    pushNo: count('push_no').notNull(),
    /** How final the item is; a lower one takes the place of none. */
    finality: count('finality').notNull(),
    /** SHA-256 of the item as it came. */
    digest: bytea('digest').notNull(),
    /** The item itself, where it is in no other table. */
    data: text('data'),
  },
  (t) => [primaryKey({ columns: [t.sessionId, t.key] })],
)

/** What is too large for a row, in pieces of at most 256 KiB. Named by its content, within its session. */
export const blob = pgTable(
  'blob',
  {
    sessionId: sessionIdColumn('session_id')
      .notNull()
      .references(() => session.id, { onDelete: 'cascade' }),
    /** SHA-256, in hex. */
    id: text('id').notNull(),
    piece: integer('piece').notNull(),
    data: bytea('data').notNull(),
  },
  (t) => [primaryKey({ columns: [t.sessionId, t.id, t.piece] })],
)
