/**
 * The token that a sandbox shows to the gateway, as it is read: where it stands in a request, and how it is looked up.
 * Only its SHA-256 is stored, and looking that up is the comparison, so nothing is learned from its timing.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** Makes leaked tokens easy to find. */
export const tokenPrefix = 'crl_'

export const tokenHash = (token: string): Buffer => createHash('sha256').update(token).digest()

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
    candidates.find((candidate) => typeof candidate === 'string' && candidate.startsWith(tokenPrefix))?.toString() ??
    null
  )
}
