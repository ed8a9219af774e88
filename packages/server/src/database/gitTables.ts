/** What Corral knows of code hosts: which GitHub installations may be used for whom, and tokens that are kept a while. */
import { sql } from 'drizzle-orm'
import { bigint, check, index, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { bytea } from './columns.ts'
import { organization, user } from './identityTables.ts'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** An installation of the GitHub App, linked by the operator to an organization, or to a user for personal sessions. */
export const githubInstallation = pgTable(
  'github_installation',
  {
    installationId: bigint('installation_id', { mode: 'number' }).notNull(),
    organizationId: text('organization_id').references(() => organization.id, { onDelete: 'cascade' }),
    userId: text('user_id').references(() => user.id, { onDelete: 'cascade' }),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('github_installation_organization').on(t.organizationId, t.installationId),
    uniqueIndex('github_installation_user').on(t.userId, t.installationId),
    check('github_installation_owner', sql`num_nonnulls(${t.organizationId}, ${t.userId}) = 1`),
  ],
)

/** Short-lived tokens of others, sealed under their key: `github-token:installation:<id>`. */
export const tokenCache = pgTable(
  'token_cache',
  {
    key: text('key').primaryKey(),
    sealed: bytea('sealed').notNull(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [index('token_cache_expiry').on(t.expiresAt)],
)
