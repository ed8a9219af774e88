/** Who did what to which thing, when and from where: written in the transaction of what it tells, and never changed. */
import type { AuditAction } from '@corral/protocol'
import { bigint, index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

export const auditLog = pgTable(
  'audit_log',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: timestamp('at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
    /** No foreign key: what somebody did is true for longer than they are a user. */
    userId: text('user_id').notNull(),
    botId: text('bot_id'),
    credential: text('credential'),
    address: text('address'),
    action: text('action').$type<AuditAction>().notNull(),
    organizationId: text('organization_id'),
    subject: text('subject').notNull(),
    details: jsonb('details').$type<Record<string, unknown>>().notNull(),
  },
  (t) => [index('audit_log_organization').on(t.organizationId, t.id.desc())],
)
