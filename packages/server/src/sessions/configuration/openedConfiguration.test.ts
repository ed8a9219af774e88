import { newSessionId } from '@corral/protocol'
import { expect, test } from 'vitest'
import { SealBroken } from '../../secrets/sealing.ts'
import { createOpenConfigurations, InvalidConfiguration } from './openedConfiguration.ts'
import type { SecretConfiguration } from './sealedConfiguration.ts'

const session = newSessionId()
const envelope = (encryptedData: string) =>
  ({ encryptedData, encryptedDEK: '', algorithm: 'rsa-aes-256-gcm', version: 1 }) as const

/** Envelopes hold their text in plain form, or `!` and the cause for which they cannot be opened. */
function setUp(configuration: Partial<SecretConfiguration>, options: { broken?: boolean } = {}) {
  const learned: string[][] = []
  const warned: string[] = []
  const configurations = createOpenConfigurations({
    async read() {
      if (options.broken) throw new SealBroken({ table: 'session_secret', id: session })
      return { envVars: {}, setupCommands: [], mcpServers: {}, encryptedSecrets: {}, ...configuration }
    },
    async openEnvelope({ encryptedData }) {
      return encryptedData.startsWith('!')
        ? { ok: false, cause: encryptedData.slice(1) }
        : { ok: true, value: encryptedData }
    },
    learn: (_id, values) => learned.push(values),
    async warn(_id, unredacted) {
      warned.push(...unredacted.map(({ name, why }) => `${name} ${why}`))
    },
  })
  return {
    open: () => configurations.open(session),
    values: () => configurations.redactedValues(session),
    learned,
    warned,
  }
}

test('a secret wins over a variable of its name', async () => {
  const { open } = setUp({ envVars: { A: 'plain', B: 'plain' }, encryptedSecrets: { A: envelope('a secret') } })
  expect((await open()).environment).toEqual({ A: 'a secret', B: 'plain' })
})

test('what is opened is known to the redactor before it is given out', async () => {
  const { open, learned, values } = setUp({
    envVars: { STAGE: 'production', API_KEY: 'key-of-the-api', MONKEY_NAME: 'not-a-secret' },
    encryptedSecrets: { A: envelope('secret-number-one') },
    githubToken: 'token-of-github',
    mcpServers: {
      program: { env: { LITERAL: 'literal-of-the-program', OTHER: '\u0024{env:A}' } },
      remote: { headers: { authorization: 'Bearer credential-of-remote' } },
    },
    callbackTarget: { url: 'https://example.com', headers: { 'x-key': 'key-of-the-callback' } },
  })
  await open()
  const known = [
    ...['secret-number-one', 'token-of-github', 'key-of-the-api', 'literal-of-the-program'],
    ...['Bearer credential-of-remote', 'credential-of-remote', 'key-of-the-callback'],
  ]
  expect(learned).toEqual([known])
  expect(await values()).toEqual(known)
})

test('a secret that is too short, or beyond what can be looked for, is given out with a warning', async () => {
  const { open, warned, learned } = setUp({
    encryptedSecrets: {
      PIN: envelope('4711'),
      BIG: envelope('b'.repeat(40_000)),
      BIGGER: envelope('c'.repeat(30_000)),
    },
  })
  expect(Object.keys((await open()).environment)).toEqual(['PIN', 'BIG', 'BIGGER'])
  expect(warned).toEqual([
    'PIN has less than 8 characters',
    'BIGGER is beyond the 64 KiB of secrets that can be looked for',
  ])
  expect(learned.flat().map((value) => value.length)).toEqual([40_000])
})

test('one that cannot be opened is told by its name and cause; the others are still redacted', async () => {
  const { open, values, learned } = setUp({
    encryptedSecrets: { GOOD: envelope('a good secret'), BAD: envelope('!not_utf8') },
  })
  const refusal = await open().catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(InvalidConfiguration)
  expect(refusal).toMatchObject({
    failure: { reason: 'invalid_configuration', details: { name: 'BAD', cause: 'not_utf8' } },
  })
  expect(learned).toEqual([])
  expect(await values()).toEqual(['a good secret'])
})

test('what was sealed under another key is an invalid configuration, and nothing to redact', async () => {
  const { open, values } = setUp({}, { broken: true })
  await expect(open()).rejects.toMatchObject({
    failure: { reason: 'invalid_configuration', details: { cause: 'seal_broken' } },
  })
  expect(await values()).toEqual([])
})
