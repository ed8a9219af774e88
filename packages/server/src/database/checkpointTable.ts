/** What is kept of each session outside of its sandbox; see `files/checkpoints.ts`. */
import type { Checkpoint } from '@corral/protocol'
import { bigint, jsonb, pgTable, timestamp } from 'drizzle-orm/pg-core'
import { sessionIdColumn } from './columns.ts'
import { session } from './schema.ts'

export const checkpoint = pgTable('checkpoint', {
  sessionId: sessionIdColumn('session_id')
    .primaryKey()
    .references(() => session.id, { onDelete: 'cascade' }),
  content: jsonb('content').$type<Checkpoint>().notNull(),
  bytes: bigint('bytes', { mode: 'number' }).notNull(),
  madeAt: timestamp('made_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
