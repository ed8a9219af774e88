/** What administers users, organizations, members and keys. Each call decides by who calls it, and leaves its entry. */
import type { AuditPage, listAuditInput } from '@corral/protocol'
import type { z } from 'zod'
import type { Database } from '../database/transaction.ts'
import { auditPage } from './audit.ts'
import type { Authenticated } from './caller.ts'
import { createGithubInstallations } from './githubInstallations.ts'
import { createKeys } from './keys.ts'
import { createOrganizations } from './organizations.ts'
import { requireOperator, requireRole } from './roles.ts'
import { createUsers } from './users.ts'

export type Administration = ReturnType<typeof createAdministration>

/** `changed`: what somebody had was taken back. */
export function createAdministration(deps: {
  database: Database
  hashPassword(password: string): Promise<string>
  changed(): void
}) {
  const { orm } = deps.database
  return {
    keys: createKeys(deps),
    organizations: createOrganizations(deps),
    githubInstallations: createGithubInstallations(deps),
    users: createUsers(deps),
    /** Of an organization for its admins; all of it for operators. */
    async audit(caller: Authenticated, input: z.output<typeof listAuditInput>): Promise<AuditPage> {
      if (input.organizationId === undefined) await requireOperator(orm, caller)
      else await requireRole(orm, caller, input.organizationId, 'admin')
      return auditPage(orm, input)
    },
  }
}
