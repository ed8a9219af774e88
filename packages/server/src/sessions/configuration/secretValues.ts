/**
 * Which values of a configuration are secrets that must not be seen again: every opened secret, tokens, the literal
 * environment and headers of MCP servers, headers of the callback, and plain variables whose name says that they are one.
 * Other plain variables are not: `production` is a word that a transcript needs.
 */
import { leastSecretLength } from '../../secrets/forms.ts'
import type { SecretConfiguration } from './sealedConfiguration.ts'

/** Of one session. What is beyond is not redacted, and said to be so. */
const mostCharacters = 64 * 1024

const tellingName = /(^|_)(key|token|secret|password|passwd|passphrase|pwd|credentials?|auth|pat)s?(_|$)/i
const placeholder = /\$\{env:[A-Za-z_][A-Za-z0-9_]*\}/

/** `unredacted` names opened secrets alone: nobody expects it of the others. */
export function secretValues(
  sealed: Omit<SecretConfiguration, 'encryptedSecrets'>,
  secrets: Record<string, string>,
): { redacted: string[]; unredacted: { name: string; why: string }[] } {
  const redacted: string[] = []
  const unredacted: { name: string; why: string }[] = []
  let characters = 0
  for (const [name, value] of Object.entries(secrets)) {
    if (value.trim().length < leastSecretLength) {
      unredacted.push({ name, why: `has less than ${leastSecretLength} characters` })
    } else if (characters + value.length > mostCharacters) {
      unredacted.push({ name, why: `is beyond the ${mostCharacters / 1024} KiB of secrets that can be looked for` })
    } else {
      redacted.push(value)
      characters += value.length
    }
  }
  for (const value of others(sealed)) {
    if (value.trim().length < leastSecretLength || characters + value.length > mostCharacters) continue
    redacted.push(value)
    characters += value.length
  }
  return { redacted, unredacted }
}

function* others(sealed: Omit<SecretConfiguration, 'encryptedSecrets'>): Generator<string> {
  if (sealed.githubToken) yield sealed.githubToken
  if (sealed.gitToken) yield sealed.gitToken
  for (const [name, value] of Object.entries(sealed.envVars)) if (tellingName.test(name)) yield value
  for (const server of Object.values(sealed.mcpServers)) {
    yield* literals(server.env)
    yield* headerValues(server.headers)
  }
  yield* headerValues(sealed.callbackTarget?.headers)
}

function* literals(values: unknown): Generator<string> {
  if (typeof values !== 'object' || values === null) return
  for (const value of Object.values(values)) {
    if (typeof value === 'string' && !placeholder.test(value)) yield value
  }
}

/** Also what follows the scheme: `Bearer <token>`. */
function* headerValues(headers: unknown): Generator<string> {
  for (const value of literals(headers)) {
    yield value
    const credential = /^[A-Za-z]+ +(\S.*)$/.exec(value)?.[1]
    if (credential) yield credential
  }
}
