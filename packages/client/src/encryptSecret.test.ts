import { expect, test } from 'vitest'
import { createEnvelopes, newEnvelopeKey } from '../../server/src/secrets/envelopes.ts'
import { encryptSecret } from './encryptSecret.ts'

const envelopes = await createEnvelopes({ privateKeyPem: await newEnvelopeKey() })
const { publicKey } = envelopes.publicKey

test.each(['hunter2-hunter2', '', 'ä🦀\nand more', 'a'.repeat(32 * 1024)])(
  'what is encrypted here is opened by the server, and each time looks different',
  async (secret) => {
    const envelope = await encryptSecret(publicKey, secret)
    expect(await envelopes.open(envelope)).toEqual({ ok: true, value: secret })
    expect(await encryptSecret(publicKey, secret)).not.toEqual(envelope)
  },
)

test('a key that is none is refused with a sentence', async () => {
  await expect(encryptSecret('ssh-rsa AAAA', 'secret')).rejects.toThrow('must be PEM')
})
