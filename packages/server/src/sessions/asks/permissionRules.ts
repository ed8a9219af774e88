/**
 * Rules that people add to a session's policy while they answer a permission. Behind those that are there, so that they
 * win; they count from the next message on, with which the policy goes to the agent.
 */
import { CorralError, invalidInput, permissionRequestSchema, permissionsSchema } from '@corral/protocol'
import { and, eq, sql } from 'drizzle-orm'
import { ask } from '../../database/askTables.ts'
import { session } from '../../database/schema.ts'
import type { Database } from '../../database/transaction.ts'
import { recordAudit } from '../../identity/audit.ts'
import { lockOwned } from '../access.ts'
import type { Sessions } from '../sessions.ts'
import { named } from './asks.ts'

export function createPermissionRules({ database }: { database: Database }): Sessions['addPermissionRules'] {
  return (caller, id, { permissionId, allowed, denied }) =>
    database.transaction(async (tx) => {
      const { configuration, organizationId, configVersion } = await lockOwned(tx, caller, id)
      const [row] = await tx.orm
        .select({ request: ask.request })
        .from(ask)
        .where(and(named(id, permissionId), eq(ask.kind, 'permission')))
      if (!row) throw new CorralError('permission_not_found')
      const { permission: tool, always = [] } = permissionRequestSchema.parse(row.request)
      const ruleOf = (action: 'auto' | 'deny', member: string) => (pattern: string) => {
        if (!always.includes(pattern)) throw invalidInput(member, 'has a pattern that the request does not offer')
        return { tool, action, ...(pattern !== '*' && { pattern }) }
      }
      const added = [...allowed.map(ruleOf('auto', 'approvedAlways')), ...denied.map(ruleOf('deny', 'deniedAlways'))]
      if (added.length === 0) return
      const before = permissionsSchema.parse(configuration.permissions ?? {})
      const key = (rule: object) => JSON.stringify(Object.entries(rule).toSorted())
      const fresh = new Set(added.map(key))
      const permissions = permissionsSchema.safeParse({
        ...before,
        rules: [...before.rules.filter((rule) => !fresh.has(key(rule))), ...added],
      })
      if (!permissions.success) throw invalidInput('permissions', permissions.error.issues[0]?.message ?? 'do not fit')
      await tx.orm
        .update(session)
        .set({
          configuration: { ...configuration, permissions: permissions.data },
          configVersion: configVersion + 1,
          updatedAt: sql`now()`,
        })
        .where(eq(session.id, id))
      await recordAudit(tx, caller, {
        action: 'session.answered',
        subject: id,
        organizationId,
        details: { ask: permissionId, rules: added.length },
      })
    })
}
