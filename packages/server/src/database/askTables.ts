/** The rows of what agents ask and suggest. One state value each; an ask is open only while its execution runs. */
import { type AskAnswer, type AskKind, type AskState, type ExecutionId, suggestionStates } from '@corral/protocol'
import { sql } from 'drizzle-orm'
import { check, index, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { at, sessionIdColumn } from './columns.ts'
import { session } from './schema.ts'

export const askKinds = ['question', 'permission'] as const satisfies AskKind[]
export const askStates = ['open', 'answered', 'expired', 'withdrawn'] as const satisfies AskState[]

/** What an agent wants to know or to be allowed. Open only while its execution runs. */
export const ask = pgTable(
  'ask',
  {
    sessionId: sessionIdColumn('session_id')
      .notNull()
      .references(() => session.id, { onDelete: 'cascade' }),
    /** The agent's own. */
    id: text('id').notNull(),
    kind: text('kind', { enum: askKinds }).notNull(),
    executionId: text('execution_id').$type<ExecutionId>().notNull(),
    /** The agent's session that asks: the root's, or that of a sub-agent. */
    agentSessionId: text('agent_session_id').notNull(),
    /** As the agent made it. */
    request: jsonb('request').$type<Record<string, unknown>>().notNull(),
    state: text('state', { enum: askStates }).notNull().default('open'),
    answer: jsonb('answer').$type<AskAnswer>(),
    /** The user who answered; null when the agent itself or the deadline did. */
    answeredBy: text('answered_by'),
    askedAt: at('asked_at').notNull().defaultNow(),
    /** Counted from `askedAt`, or from the end of an outage of ours after it. */
    deadlineMs: integer('deadline_ms').notNull(),
    closedAt: at('closed_at'),
    /** The link on which the answer was last sent, and when. */
    sentLink: text('sent_link'),
    sentAt: at('sent_at'),
    /** The agent has its answer, or has no use for one any more. */
    settledAt: at('settled_at'),
  },
  (t) => [
    primaryKey({ columns: [t.sessionId, t.id] }),
    /** Open, or answered and not yet with the agent. */
    index('ask_pending').on(t.sessionId, t.askedAt).where(sql`settled_at is null`),
    index('ask_id').on(t.id),
    check('ask_kind', sql`${t.kind} in ('question', 'permission')`),
    check('ask_state', sql`${t.state} in ('open', 'answered', 'expired', 'withdrawn')`),
    check('ask_closed', sql`(${t.state} = 'open') = (${t.closedAt} is null)`),
    check('ask_answered', sql`(${t.answer} is not null) = (${t.state} in ('answered', 'expired'))`),
    check('ask_settled', sql`${t.state} <> 'open' or ${t.settledAt} is null`),
  ],
)

/** What an agent offers to do next. Nothing waits for it; the user's next message withdraws what is open. */
export const suggestion = pgTable(
  'suggestion',
  {
    sessionId: sessionIdColumn('session_id')
      .notNull()
      .references(() => session.id, { onDelete: 'cascade' }),
    /** The agent's own. */
    id: text('id').notNull(),
    executionId: text('execution_id').$type<ExecutionId>().notNull(),
    /** The agent's session that offers it: the root's, or that of a sub-agent. */
    agentSessionId: text('agent_session_id').notNull(),
    /** As the agent made it. */
    request: jsonb('request').$type<Record<string, unknown>>().notNull(),
    state: text('state', { enum: suggestionStates }).notNull().default('open'),
    shownAt: at('shown_at').notNull().default(sql`clock_timestamp()`),
    closedAt: at('closed_at'),
    answeredBy: text('answered_by'),
    acceptedIndex: integer('accepted_index'),
    /** What its action became. */
    acceptedAs: text('accepted_as').$type<ExecutionId>(),
  },
  (t) => [
    primaryKey({ columns: [t.sessionId, t.id] }),
    index('suggestion_open').on(t.sessionId).where(sql`state = 'open'`),
    index('suggestion_id').on(t.id),
    check('suggestion_state', sql`${t.state} in ('open', 'accepted', 'dismissed', 'withdrawn')`),
    check('suggestion_closed', sql`(${t.state} = 'open') = (${t.closedAt} is null)`),
    check('suggestion_accepted', sql`(${t.state} = 'accepted') = (${t.acceptedIndex} is not null)`),
  ],
)
