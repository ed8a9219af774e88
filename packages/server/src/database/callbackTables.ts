/** The rows of callbacks: what is owed to whom, how far it has come, and the keys that it is signed with. */
import {
  type CallbackAttempt,
  type CallbackKeyId,
  type DeliveryId,
  deliveryStates,
  type ExecutionId,
} from '@corral/protocol'
import { sql } from 'drizzle-orm'
import { check, index, integer, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { at, bytea, claimColumns, count, sessionIdColumn } from './columns.ts'
import { session } from './schema.ts'

/** The end of an execution, told to whoever wants to know: one row for each, kept for a while after it is over. */
export const callback = pgTable(
  'callback',
  {
    id: text('id').$type<DeliveryId>().primaryKey(),
    /** The order of lists. */
    number: count('number').generatedAlwaysAsIdentity(),
    sessionId: sessionIdColumn('session_id')
      .notNull()
      .references(() => session.id, { onDelete: 'cascade' }),
    executionId: text('execution_id').$type<ExecutionId>().notNull(),
    /** Whose keys sign it; see `callbacks/keys.ts`. */
    owner: text('owner').notNull(),
    state: text('state', { enum: deliveryStates }).notNull().default('waiting'),
    /** Address and headers, sealed. */
    target: bytea('target').notNull(),
    /** The bytes that every attempt sends; fixed before the first one. */
    body: text('body'),
    /** How many were made, of which the newest are in `attempts`. */
    attemptNo: integer('attempt_no').notNull().default(0),
    attemptsLeft: integer('attempts_left').notNull(),
    attempts: jsonb('attempts').$type<CallbackAttempt[]>().notNull().default([]),
    attemptedAt: at('attempted_at'),
    createdAt: at('created_at').notNull().defaultNow(),
    ...claimColumns(),
  },
  (t) => [
    uniqueIndex('callback_execution').on(t.executionId),
    uniqueIndex('callback_session').on(t.sessionId, t.number),
    index('callback_due').on(t.wakeAt).where(sql`wake_at is not null`),
    index('callback_open').on(t.state).where(sql`state in ('waiting', 'pending')`),
    check('callback_state', sql`${t.state} in ('waiting', 'pending', 'delivered', 'dead')`),
    check('callback_body', sql`(${t.body} is null) = (${t.state} = 'waiting')`),
    check('callback_attempts', sql`${t.attemptsLeft} >= 0`),
  ],
)

/** What callbacks of an owner are signed with. */
export const callbackKey = pgTable(
  'callback_key',
  {
    id: text('id').$type<CallbackKeyId>().primaryKey(),
    owner: text('owner').notNull(),
    /** `whsec_…`, sealed. */
    sealed: bytea('sealed').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    /** Set once another has taken its place; until then it signs on. */
    expiresAt: at('expires_at'),
  },
  (t) => [
    uniqueIndex('callback_key_current').on(t.owner).where(sql`expires_at is null`),
    index('callback_key_owner').on(t.owner),
  ],
)
