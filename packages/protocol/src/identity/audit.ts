/** The audit log: who did what to which thing, when and from where. No entry holds a secret. */
import { z } from 'zod'
import { cursor, organizationId, wholeNumber } from '../cloud-agent/fields.ts'

export const auditActions = [
  'user.created',
  'user.removed',
  'user.signed_in',
  'user.password_set',
  'user.renamed',
  'key.created',
  'key.revoked',
  'organization.created',
  'member.added',
  'member.removed',
  'member.role_changed',
  'callback_key.rotated',
  'budget.set',
  'session.deleted',
  'session.answered',
  'github_installation.linked',
  'github_installation.unlinked',
] as const
export type AuditAction = (typeof auditActions)[number]

export type AuditEntry = {
  id: number
  at: number
  userId: string
  botId: string | null
  /** What they showed: `key:<id>`, `sign-in:<id>`, `token`; null where Corral acted by itself for them. */
  credential: string | null
  /** Of the machine that connected. */
  address: string | null
  action: AuditAction
  organizationId: string | null
  /** The id of the thing that was acted on. */
  subject: string
  details: Record<string, unknown>
}

export const listAuditInput = z.strictObject({
  /** Of this organization; without one, everything, for operators. */
  organizationId: organizationId.optional(),
  limit: wholeNumber(1, 100).default(50),
  cursor: cursor.optional(),
})
export type AuditPage = { entries: AuditEntry[]; nextCursor: string | null }
