/**
 * The audit log. `recordAudit` belongs into the transaction of what it tells, so that there is neither a deed without
 * its entry nor an entry without its deed. Details are for people and hold no secret.
 */
import type { AuditAction, AuditEntry, AuditPage } from '@corral/protocol'
import { invalidInput } from '@corral/protocol'
import { and, desc, eq, lt } from 'drizzle-orm'
import { auditLog } from '../database/auditTable.ts'
import type { Orm } from '../database/transaction.ts'
import type { Caller, Credential } from './caller.ts'

export type Deed = {
  action: AuditAction
  /** The id of the thing. */
  subject: string
  organizationId?: string | null
  details?: Record<string, unknown>
}

export async function recordAudit({ orm }: { orm: Orm }, caller: Caller, deed: Deed): Promise<void> {
  const { action, subject, organizationId = null, details = {} } = deed
  await orm.insert(auditLog).values({
    userId: caller.userId,
    botId: caller.botId,
    credential: caller.proof ? credentialText(caller.proof.credential) : null,
    address: caller.proof?.address ?? null,
    action,
    organizationId,
    subject,
    details,
  })
}

/** Newest first. Without an organization, everything. By `audit_log_organization`, else the primary key. */
export async function auditPage(
  orm: Orm,
  page: { organizationId?: string | undefined; limit: number; cursor?: string | undefined },
): Promise<AuditPage> {
  const { organizationId, limit, cursor } = page
  const rows = await orm
    .select()
    .from(auditLog)
    .where(
      and(
        organizationId === undefined ? undefined : eq(auditLog.organizationId, organizationId),
        cursor === undefined ? undefined : lt(auditLog.id, entryOf(cursor)),
      ),
    )
    .orderBy(desc(auditLog.id))
    .limit(limit + 1)
  const entries = rows.slice(0, limit).map((row): AuditEntry => ({ ...row, at: row.at.getTime() }))
  const last = entries.at(-1)
  return { entries, nextCursor: rows.length > limit && last ? String(last.id) : null }
}

function entryOf(cursor: string): number {
  const id = Number(cursor)
  if (!/^\d+$/.test(cursor) || !Number.isSafeInteger(id)) throw invalidInput('cursor', 'is not a cursor of this list')
  return id
}

const credentialText = (credential: Credential): string =>
  'id' in credential ? `${credential.kind}:${credential.id}` : credential.kind
