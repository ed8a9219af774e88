/**
 * Gives out the token that a sandbox shows to the gateway: bound to (session, boot), valid there alone, gone with either.
 * Called by the server; the gateway reads tokens in `token.ts`, without the ORM.
 */
import { createHmac } from 'node:crypto'
import type { BootId, SandboxId, SessionId } from '@corral/protocol'
import { and, eq, ne } from 'drizzle-orm'
import { gatewayToken } from '../database/gatewayTables.ts'
import type { Orm } from '../database/transaction.ts'
import { tokenHash, tokenPrefix } from './token.ts'

/**
 * The token of a session in one boot; those of earlier boots end with it. It is derived, not drawn, so that a command
 * that is sent again carries the same token as the agent that runs already.
 */
export async function issueGatewayToken(
  orm: Orm,
  which: { sessionId: SessionId; sandboxId: SandboxId; bootId: BootId | string; secret: string },
): Promise<string> {
  const { sessionId, sandboxId, bootId, secret } = which
  const derived = createHmac('sha256', secret).update(`corral gateway ${sessionId} ${bootId}`).digest('base64url')
  const token = tokenPrefix + derived
  const hash = tokenHash(token)
  // By gateway_token_pkey. Nearly always it is there; two writes would make every message wait for the disk.
  const known = await orm
    .select({ hash: gatewayToken.hash })
    .from(gatewayToken)
    .where(and(eq(gatewayToken.hash, hash), eq(gatewayToken.sandboxId, sandboxId)))
  if (known.length > 0) return token
  await orm.delete(gatewayToken).where(and(eq(gatewayToken.sessionId, sessionId), ne(gatewayToken.bootId, bootId)))
  await orm
    .insert(gatewayToken)
    .values({ hash, sessionId, sandboxId, bootId })
    .onConflictDoUpdate({ target: [gatewayToken.sessionId, gatewayToken.bootId], set: { hash, sandboxId } })
  return token
}
