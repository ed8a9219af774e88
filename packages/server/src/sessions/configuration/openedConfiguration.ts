/**
 * A session's configuration with everything opened that is secret in it, in memory, at the moment of use. Invariants:
 * what is opened is known to the redactor before it is given to anybody; what cannot be opened is told by its name and
 * cause, never by content. Source: 30-cloud-agent-api §10, 20 "Secrets".
 */
import type { SecretEnvelope, SessionId } from '@corral/protocol'
import type { NewEvent } from '../../log/types.ts'
import { SealBroken } from '../../secrets/sealing.ts'
import { statusEvent } from '../executions/statusEvent.ts'
import { CannotRun } from './cannotRun.ts'
import type { SecretConfiguration } from './sealedConfiguration.ts'
import { secretValues } from './secretValues.ts'

export type OpenedConfiguration = Omit<SecretConfiguration, 'encryptedSecrets'> & {
  /** Variables as the agent and the setup commands get them: a secret wins over a plain variable of its name. */
  environment: Record<string, string>
  /** Names of secrets that cannot be redacted, and why. */
  unredacted: { name: string; why: string }[]
}

export class InvalidConfiguration extends CannotRun {
  constructor(message: string, details: { name?: string; cause: string }) {
    super({ reason: 'invalid_configuration', message, details })
    this.name = 'InvalidConfiguration'
  }
}

type OpenEnvelope = (envelope: SecretEnvelope) => Promise<{ ok: true; value: string } | { ok: false; cause: string }>

export type OpenConfigurations = {
  /** Throws `InvalidConfiguration`. */
  open(id: SessionId): Promise<OpenedConfiguration>
  /** What the redactor has to know; what cannot be opened was never given to anybody. */
  redactedValues(id: SessionId): Promise<string[]>
}

export function createOpenConfigurations(deps: {
  read(id: SessionId): Promise<SecretConfiguration>
  openEnvelope: OpenEnvelope
  learn(id: SessionId, values: string[]): void
  /** The owner is to know what will not be redacted. */
  warn(id: SessionId, unredacted: OpenedConfiguration['unredacted']): Promise<void>
}): OpenConfigurations {
  async function openAll(id: SessionId) {
    const { encryptedSecrets, ...sealed } = await deps.read(id)
    const opened = await Promise.all(
      Object.entries(encryptedSecrets).map(async ([name, envelope]) => ({
        name,
        result: await deps.openEnvelope(envelope),
      })),
    )
    const secrets: Record<string, string> = {}
    for (const { name, result } of opened) if (result.ok) secrets[name] = result.value
    return { sealed, opened, secrets }
  }

  return {
    async open(id) {
      const { sealed, opened, secrets } = await openAll(id).catch((error: unknown) => {
        if (!(error instanceof SealBroken)) throw error
        throw new InvalidConfiguration(error.message, { cause: 'seal_broken' })
      })
      for (const { name, result } of opened) if (!result.ok) throw cannotOpen(name, result.cause)
      const { redacted, unredacted } = secretValues(sealed, secrets)
      deps.learn(id, redacted)
      if (unredacted.length > 0) await deps.warn(id, unredacted)
      return { ...sealed, environment: { ...sealed.envVars, ...secrets }, unredacted }
    },
    async redactedValues(id) {
      try {
        const { sealed, secrets } = await openAll(id)
        return secretValues(sealed, secrets).redacted
      } catch (error) {
        if (error instanceof SealBroken) return []
        throw error
      }
    },
  }
}

/** Said once per session and name. */
export const unredactedWarning = ({ name, why }: { name: string; why: string }): NewEvent =>
  statusEvent(
    { message: `The secret "${name}" ${why}, so it cannot be redacted; do not have it printed.`, level: 'warning' },
    `unredacted:${name}`,
  )

function cannotOpen(name: string, cause: string): InvalidConfiguration {
  const sentence = `The secret "${name}" cannot be opened (${cause}). Encrypt it anew with the public key of this server.`
  return new InvalidConfiguration(sentence, { name, cause })
}
