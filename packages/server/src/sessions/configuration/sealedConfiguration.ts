/**
 * What of a session's configuration may be secret: sealed in a row of its own, and opened here and nowhere else. Reads
 * never come here: what they show is counted in the session's row.
 */
import { invalidInput, type SecretEnvelope, type SessionId } from '@corral/protocol'
import { eq } from 'drizzle-orm'
import { z } from 'zod'
import { type SessionConfiguration, sessionSecret } from '../../database/schema.ts'
import type { Orm, Tx } from '../../database/transaction.ts'
import type { Sealing } from '../../secrets/sealing.ts'

/** Loose on purpose: what was admitted once is opened for ever, whatever the inputs' schemas have come to refuse. */
const sealedSchema = z.object({
  envVars: z.record(z.string(), z.string()).default({}),
  setupCommands: z.array(z.string()).default([]),
  githubToken: z.string().optional(),
  gitToken: z.string().optional(),
  mcpServers: z.record(z.string(), z.looseObject({})).default({}),
  callbackTarget: z.looseObject({ url: z.string(), headers: z.record(z.string(), z.string()).optional() }).optional(),
})

export type SecretConfiguration = z.output<typeof sealedSchema> & {
  /** Envelopes by variable, as received. They are not opened here. */
  encryptedSecrets: Record<string, SecretEnvelope>
}

export type SealedConfigurations = {
  /** Replaces what the session had. Throws `invalid_input` for an envelope that was made for another key. */
  store(tx: Tx, id: SessionId, configuration: SecretConfiguration): Promise<void>
  /** Throws `SealBroken` when it was sealed under another key. */
  open(orm: Orm, id: SessionId): Promise<SecretConfiguration>
}

export function createSealedConfigurations(deps: {
  sealing: Sealing
  /** How long the wrapped key of an envelope is. */
  wrappedKeyBytes: number
}): SealedConfigurations {
  function requireOwnKey(name: string, { encryptedDEK }: SecretEnvelope): void {
    if (Buffer.from(encryptedDEK, 'base64').length === deps.wrappedKeyBytes) return
    throw invalidInput(
      `encryptedSecrets.${name}.encryptedDEK`,
      `must be ${deps.wrappedKeyBytes} bytes, as the key of /api/cloud-agent/secrets-public-key makes them`,
    )
  }

  const placeOf = (id: SessionId) => ({ table: 'session_secret', id })

  return {
    async store(tx, id, { encryptedSecrets, ...secret }) {
      for (const [name, envelope] of Object.entries(encryptedSecrets)) requireOwnKey(name, envelope)
      await tx.orm.delete(sessionSecret).where(eq(sessionSecret.sessionId, id))
      if (isEmpty({ encryptedSecrets, ...secret })) return
      await tx.orm.insert(sessionSecret).values({
        sessionId: id,
        sealed: deps.sealing.seal(JSON.stringify(secret), placeOf(id)),
        envelopes: encryptedSecrets,
      })
    },
    async open(orm, id) {
      const [row] = await orm.select().from(sessionSecret).where(eq(sessionSecret.sessionId, id))
      if (!row) return { ...sealedSchema.parse({}), encryptedSecrets: {} }
      const secret = sealedSchema.parse(JSON.parse(deps.sealing.open(row.sealed, placeOf(id))))
      return { ...secret, encryptedSecrets: row.envelopes }
    },
  }
}

/** What the session's row tells of it. */
export function countsOf(secret: SecretConfiguration): Pick<SessionConfiguration, 'counts' | 'hasCallback'> {
  return {
    counts: {
      envVars: Object.keys(secret.envVars).length,
      secrets: Object.keys(secret.encryptedSecrets).length,
      setupCommands: secret.setupCommands.length,
      mcpServers: Object.keys(secret.mcpServers).length,
    },
    hasCallback: secret.callbackTarget !== undefined,
  }
}

function isEmpty(secret: SecretConfiguration): boolean {
  const { counts, hasCallback } = countsOf(secret)
  const some = Object.values(counts).some((count) => count > 0)
  return !some && !hasCallback && secret.githubToken === undefined && secret.gitToken === undefined
}
