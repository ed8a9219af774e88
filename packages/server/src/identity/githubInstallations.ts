/**
 * Links between installations of the GitHub App and those for whom they are used. Only operators link: an installation's
 * number is no secret, so whoever could link one to themselves could read its repositories. What is unlinked is not used
 * from the next call on, since the gateway reads links anew for each.
 */
import {
  CorralError,
  type GithubInstallationInput,
  type GithubInstallationView,
  type listGithubInstallationsInput,
} from '@corral/protocol'
import { and, asc, eq, isNull } from 'drizzle-orm'
import type { z } from 'zod'
import { githubInstallation } from '../database/gitTables.ts'
import { organization } from '../database/identityTables.ts'
import type { Database, Orm } from '../database/transaction.ts'
import { recordAudit } from './audit.ts'
import type { Authenticated } from './caller.ts'
import { requireOperator, requireRole } from './roles.ts'
import { findUser } from './users.ts'

type Owner = { organizationId: string; userId: null } | { organizationId: null; userId: string }

export function createGithubInstallations({ database }: { database: Database }) {
  const { orm } = database

  return {
    async link(caller: Authenticated, input: GithubInstallationInput): Promise<GithubInstallationView> {
      await requireOperator(orm, caller)
      const owner = await ownerOf(orm, input)
      const { installationId } = input
      return database.transaction(async (tx) => {
        const [made] = await tx.orm
          .insert(githubInstallation)
          .values({ installationId, ...owner })
          .onConflictDoNothing()
          .returning()
        if (!made) throw new CorralError('already_exists', { sentence: 'This installation is linked to them already.' })
        await recordAudit(tx, caller, {
          ...{ action: 'github_installation.linked', subject: String(installationId) },
          ...{ organizationId: owner.organizationId, details: owner },
        })
        return viewOf(made)
      })
    },

    /** One that is not linked stays so. */
    async unlink(caller: Authenticated, input: GithubInstallationInput): Promise<{ success: true }> {
      await requireOperator(orm, caller)
      const owner = await ownerOf(orm, input)
      const { installationId } = input
      await database.transaction(async (tx) => {
        const gone = await tx.orm
          .delete(githubInstallation)
          .where(
            and(
              eq(githubInstallation.installationId, installationId),
              owner.organizationId === null
                ? and(isNull(githubInstallation.organizationId), eq(githubInstallation.userId, owner.userId))
                : eq(githubInstallation.organizationId, owner.organizationId),
            ),
          )
          .returning()
        if (gone.length === 0) return
        await recordAudit(tx, caller, {
          ...{ action: 'github_installation.unlinked', subject: String(installationId) },
          ...{ organizationId: owner.organizationId, details: owner },
        })
      })
      return { success: true }
    },

    /** Of an organization for its admins; all of them for operators. */
    async list(
      caller: Authenticated,
      { organizationId }: z.output<typeof listGithubInstallationsInput>,
    ): Promise<{ installations: GithubInstallationView[] }> {
      if (organizationId === undefined) await requireOperator(orm, caller)
      else await requireRole(orm, caller, organizationId, 'admin')
      const rows = await orm
        .select()
        .from(githubInstallation)
        .where(organizationId === undefined ? undefined : eq(githubInstallation.organizationId, organizationId))
        .orderBy(asc(githubInstallation.createdAt), asc(githubInstallation.installationId))
      return { installations: rows.map(viewOf) }
    },
  }
}

async function ownerOf(orm: Orm, { organizationId, user: named }: GithubInstallationInput): Promise<Owner> {
  if (organizationId === undefined) {
    const found = await findUser(orm, named ?? '')
    if (!found) throw new CorralError('user_not_found')
    return { organizationId: null, userId: found.id }
  }
  const [found] = await orm
    .select({ id: organization.id })
    .from(organization)
    .where(eq(organization.id, organizationId))
  if (!found) throw new CorralError('organization_not_found')
  return { organizationId, userId: null }
}

const viewOf = (row: typeof githubInstallation.$inferSelect): GithubInstallationView => ({
  installationId: row.installationId,
  organizationId: row.organizationId,
  userId: row.userId,
  linkedAt: row.createdAt.getTime(),
})
