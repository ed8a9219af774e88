/** The rows of files that come with prompts: as they were uploaded, and as they belong to a session. */
import type { AttachmentType } from '@corral/protocol'
import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { at, bytea, sessionIdColumn } from './columns.ts'
import { session } from './schema.ts'

/** What a user has uploaded for a message to come; at most 5 MiB each, for a day. */
export const upload = pgTable(
  'upload',
  {
    userId: text('user_id').notNull(),
    sha256: text('sha256').notNull(),
    bytes: integer('bytes').notNull(),
    mime: text('mime').$type<AttachmentType>().notNull(),
    data: bytea('data').notNull(),
    at: at('at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.sha256] }), index('upload_at').on(t.at)],
)

/** Files of a session's prompts, named by their content; gone with the session. */
export const attachment = pgTable(
  'attachment',
  {
    sessionId: sessionIdColumn('session_id')
      .notNull()
      .references(() => session.id, { onDelete: 'cascade' }),
    sha256: text('sha256').notNull(),
    bytes: integer('bytes').notNull(),
    mime: text('mime').$type<AttachmentType>().notNull(),
    data: bytea('data').notNull(),
  },
  (t) => [primaryKey({ columns: [t.sessionId, t.sha256] })],
)
