/**
 * API keys as people manage them. A key is shown once, when it is made; it may do no more than what made it, and a bot's
 * key administers nothing. A revoked key keeps its row, disabled and shown to nobody, so that no start adds the operator's
 * configured key again that was revoked.
 */
import { randomBytes } from 'node:crypto'
import { type ApiKeyView, CorralError, type CreateApiKeyInput, type CreatedApiKey } from '@corral/protocol'
import { and, asc, eq, sql } from 'drizzle-orm'
import { apikey } from '../database/identityTables.ts'
import type { Database } from '../database/transaction.ts'
import { apiKeyHash } from './apiKeys.ts'
import { recordAudit } from './audit.ts'
import { authorize } from './authorize.ts'
import { botOf, storedBot } from './bots.ts'
import type { Authenticated } from './caller.ts'
import { isOperator } from './roles.ts'
import { scopesOf, storedScopes } from './scopes.ts'
import { meantUser } from './users.ts'

const prefix = 'corral_'
const shownCharacters = prefix.length + 4

export function createKeys(deps: { database: Database; changed(): void }) {
  const { database, changed } = deps
  const { orm } = database
  return {
    async create(caller: Authenticated, input: CreateApiKeyInput): Promise<CreatedApiKey> {
      const { name, scopes, expiresInSeconds, botId = null } = input
      for (const scope of scopes) authorize(caller, { scope })
      const userId = await meantUser(orm, caller, input.user)
      const key = prefix + randomBytes(32).toString('base64url')
      const hash = await apiKeyHash(key)
      return database.transaction(async (tx) => {
        const [made] = await tx.orm
          .insert(apikey)
          .values({
            id: crypto.randomUUID(),
            name,
            start: key.slice(0, shownCharacters),
            prefix,
            key: hash,
            referenceId: userId,
            rateLimitEnabled: false,
            permissions: storedScopes(scopes),
            metadata: storedBot(botId),
            expiresAt: expiresInSeconds === undefined ? null : sql`now() + make_interval(secs => ${expiresInSeconds})`,
          })
          .returning()
        if (!made) throw new Error('the key was not stored')
        const details = { name, scopes: [...scopes], botId, userId }
        await recordAudit(tx, caller, { action: 'key.created', subject: made.id, details })
        return { ...viewOf(made), key }
      })
    },

    async list(caller: Authenticated, named: string | undefined): Promise<{ keys: ApiKeyView[] }> {
      const userId = await meantUser(orm, caller, named)
      const rows = await orm
        .select()
        .from(apikey)
        .where(and(eq(apikey.referenceId, userId), eq(apikey.enabled, true)))
        .orderBy(asc(apikey.createdAt), asc(apikey.id))
      return { keys: rows.map(viewOf) }
    },

    /** One's own; an operator may revoke any. */
    async revoke(caller: Authenticated, keyId: string): Promise<{ success: true }> {
      const any = await isOperator(orm, caller)
      await database.transaction(async (tx) => {
        const [revoked] = await tx.orm
          .update(apikey)
          .set({ enabled: false })
          .where(
            and(
              eq(apikey.id, keyId),
              eq(apikey.enabled, true),
              any ? undefined : eq(apikey.referenceId, caller.userId),
            ),
          )
          .returning()
        if (!revoked) throw new CorralError('key_not_found')
        const details = { name: revoked.name, userId: revoked.referenceId }
        await recordAudit(tx, caller, { action: 'key.revoked', subject: keyId, details })
        tx.afterCommit(changed)
      })
      return { success: true }
    },
  }
}

const viewOf = (row: typeof apikey.$inferSelect): ApiKeyView => ({
  keyId: row.id,
  userId: row.referenceId,
  name: row.name ?? '',
  start: row.start ?? '',
  scopes: scopesOf(row.permissions),
  botId: botOf(row.metadata),
  createdAt: row.createdAt.getTime(),
  expiresAt: row.expiresAt?.getTime() ?? null,
})
