/**
 * The token that a sandbox shows to the gateway: bound to (session, boot), valid here alone, gone with either.
 * Only its SHA-256 is stored, and looking that up is the comparison, so nothing is learned from its timing.
 */
import { createHash, createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { BootId, SandboxId, SessionId } from '@corral/protocol'
import { and, eq, ne } from 'drizzle-orm'
import { gatewayToken } from '../database/schema.ts'
import type { Orm } from '../database/transaction.ts'

/** Makes leaked tokens easy to find. */
const prefix = 'crl_'

export const tokenHash = (token: string): Buffer => createHash('sha256').update(token).digest()

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
  const token = prefix + derived
  await orm.delete(gatewayToken).where(and(eq(gatewayToken.sessionId, sessionId), ne(gatewayToken.bootId, bootId)))
  const hash = tokenHash(token)
  await orm
    .insert(gatewayToken)
    .values({ hash, sessionId, sandboxId, bootId })
    .onConflictDoUpdate({ target: [gatewayToken.sessionId, gatewayToken.bootId], set: { hash, sandboxId } })
  return token
}

/** `Authorization: Bearer`, `x-api-key` as Anthropic's clients send it, or either half of Basic as git sends it. */
export function tokenOf(headers: IncomingHttpHeaders): string | null {
  const [scheme = '', value = ''] = (headers.authorization ?? '').split(/ +/, 2)
  const candidates = [headers['x-api-key']]
  if (scheme.toLowerCase() === 'bearer') candidates.unshift(value)
  if (scheme.toLowerCase() === 'basic') {
    const [username, ...password] = Buffer.from(value, 'base64').toString('utf8').split(':')
    candidates.unshift(password.join(':'), username)
  }
  return (
    candidates.find((candidate) => typeof candidate === 'string' && candidate.startsWith(prefix))?.toString() ?? null
  )
}
