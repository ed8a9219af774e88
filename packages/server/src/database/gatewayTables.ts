/** The rows of the gateway: who may ask it, what was spent on models and may be, and what was reached of the web. */
import { budgetScopes, type ExecutionId, type SandboxId, type VisitRefusal } from '@corral/protocol'
import { sql } from 'drizzle-orm'
import { check, index, integer, pgTable, primaryKey, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { at, bytea, count, sessionIdColumn, usd } from './columns.ts'
import { session } from './schema.ts'

/** What a sandbox shows to the gateway. Gone with its session or boot. */
export const gatewayToken = pgTable(
  'gateway_token',
  {
    hash: bytea('hash').primaryKey(),
    sessionId: sessionIdColumn('session_id')
      .notNull()
      .references(() => session.id, { onDelete: 'cascade' }),
    sandboxId: text('sandbox_id').$type<SandboxId>().notNull(),
    bootId: text('boot_id').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [uniqueIndex('gateway_token_boot').on(t.sessionId, t.bootId)],
)

/** One call of a model through the gateway, written when it begins and again when it ends. */
export const modelCall = pgTable(
  'model_call',
  {
    id: uuid('id').primaryKey(),
    sessionId: sessionIdColumn('session_id').notNull(),
    executionId: text('execution_id').$type<ExecutionId>(),
    userId: text('user_id').notNull(),
    organizationId: text('organization_id'),
    upstream: text('upstream').notNull(),
    model: text('model').notNull(),
    startedAt: at('started_at').notNull().defaultNow(),
    endedAt: at('ended_at'),
    /** HTTP status of the upstream; null while it runs or when it could not be reached. */
    status: integer('status'),
    promptTokens: integer('prompt_tokens'),
    completionTokens: integer('completion_tokens'),
    cachedTokens: integer('cached_tokens'),
    /** US dollars; null while it runs, and for a model without a price. */
    costUsd: usd('cost_usd'),
  },
  (t) => [
    index('model_call_session').on(t.sessionId, t.startedAt),
    index('model_call_execution').on(t.executionId),
    index('model_call_user').on(t.userId, t.startedAt),
    index('model_call_organization').on(t.organizationId, t.startedAt).where(sql`organization_id is not null`),
  ],
)

/** What a session's programs reached through the web proxy in one minute, and what they were refused. */
export const networkVisit = pgTable(
  'network_visit',
  {
    sessionId: sessionIdColumn('session_id').notNull(),
    minute: at('minute').notNull(),
    host: text('host').notNull(),
    port: integer('port').notNull(),
    /** Why; empty when it was allowed. */
    refused: text('refused').$type<VisitRefusal | ''>().notNull(),
    visits: count('visits').notNull(),
    sentBytes: count('sent_bytes').notNull(),
    receivedBytes: count('received_bytes').notNull(),
  },
  (t) => [primaryKey({ columns: [t.sessionId, t.minute, t.host, t.port, t.refused] })],
)

/** What may be spent from `setAt` on; without a row nothing is checked. The gateway adds what each call cost. */
export const budget = pgTable(
  'budget',
  {
    scope: text('scope', { enum: budgetScopes }).notNull(),
    /** Of the session (`agent_…`), the user or the organization. */
    scopeId: text('scope_id').notNull(),
    limitUsd: usd('limit_usd').notNull(),
    spentUsd: usd('spent_usd').notNull().default(0),
    setAt: at('set_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.scope, t.scopeId] }),
    check('budget_scope', sql`${t.scope} in ('session', 'user', 'organization')`),
  ],
)
