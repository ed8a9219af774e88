/** For tests: sealed configurations and digests under a key of their own. */
import { randomBytes } from 'node:crypto'
import { createSealing } from '../../secrets/sealing.ts'
import { createSealedConfigurations } from './sealedConfiguration.ts'

export function testSecrets() {
  const sealing = createSealing({ key: randomBytes(32) })
  return {
    sealed: createSealedConfigurations({ sealing, wrappedKeyBytes: 256 }),
    digest: sealing.digest,
    redactText: async (_id: unknown, text: string) => text,
  }
}
