import { execFile } from 'node:child_process'
import { constants, createCipheriv, generateKeyPairSync, publicEncrypt, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEnvelopes, type Envelope, newEnvelopeKey } from './envelopes.ts'

const privateKeyPem = await newEnvelopeKey()
const envelopes = await createEnvelopes({ privateKeyPem })
const { publicKey } = envelopes.publicKey

const recipe = new URL('../../../../docs/recipes/encrypt-secret.sh', import.meta.url).pathname
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'corral-envelopes-'))
  await writeFile(join(folder, 'public.pem'), publicKey)
})
afterAll(() => rm(folder, { recursive: true }))

/** By the recipe of the documentation: bash and openssl alone. */
async function sealWithOpenssl(secret: string | Buffer): Promise<Envelope> {
  const printed = await new Promise<string>((resolve, reject) => {
    const child = execFile('bash', [recipe, join(folder, 'public.pem')], (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
    child.stdin?.end(secret)
  })
  return JSON.parse(printed)
}

function sealWithNode(secret: Buffer, dek = randomBytes(32)): Envelope {
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-gcm', dek, iv)
  const data = Buffer.concat([iv, cipher.update(secret), cipher.final(), cipher.getAuthTag()])
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
  const wrapped = publicEncrypt({ key: publicKey, ...padding }, dek)
  return { encryptedData: data.toString('base64'), encryptedDEK: wrapped.toString('base64') }
}

function flipped(text: string, bit: number): string {
  const bytes = Buffer.from(text, 'base64')
  const at = bit < 0 ? bytes.length * 8 + bit : bit
  bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7))
  return bytes.toString('base64')
}

test.each([
  ['a short secret', 'hunter2-hunter2'],
  ['exactly one block', '0123456789abcdef'],
  ['several blocks, not a whole number of them', 'Ä secret with a line\nbreak, "quotes" and 100 % more 🦀 in it'],
  ['the empty one', ''],
])('what openssl made by the recipe opens: %s', async (_, secret) => {
  expect(await envelopes.open(await sealWithOpenssl(secret))).toEqual({ ok: true, value: secret })
})

test('32 KiB open, and a byte more is too long', async () => {
  const longest = Buffer.alloc(32 * 1024, 'a')
  expect(await envelopes.open(sealWithNode(longest))).toEqual({ ok: true, value: longest.toString() })
  const longer = Buffer.alloc(32 * 1024 + 1, 'a')
  expect(await envelopes.open(sealWithNode(longer))).toEqual({ ok: false, cause: 'too_long' })
})

test.each<[string, (good: Envelope) => Envelope, string]>([
  ['the tag', (good) => ({ ...good, encryptedData: flipped(good.encryptedData, -1) }), 'authentication_failed'],
  ['the text', (good) => ({ ...good, encryptedData: flipped(good.encryptedData, 130) }), 'authentication_failed'],
  ['the nonce', (good) => ({ ...good, encryptedData: flipped(good.encryptedData, 0) }), 'authentication_failed'],
  ['the wrapped key', (good) => ({ ...good, encryptedDEK: flipped(good.encryptedDEK, 7) }), 'dek_unwrap_failed'],
])('a flipped bit in %s is told, and nothing is opened', async (_, change, cause) => {
  const changed = change(sealWithNode(Buffer.from('a secret')))
  expect(await envelopes.open(changed)).toEqual({ ok: false, cause })
})

test('a wrapped key of another length, bytes that are no UTF-8, and U+0000 each have their cause', async () => {
  const short = sealWithNode(Buffer.from('a secret'), randomBytes(32))
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
  const wrapped = publicEncrypt({ key: publicKey, ...padding }, randomBytes(16)).toString('base64')
  expect(await envelopes.open({ ...short, encryptedDEK: wrapped })).toMatchObject({ cause: 'dek_unwrap_failed' })
  expect(await envelopes.open(sealWithNode(Buffer.from([0xc3, 0x28])))).toMatchObject({ cause: 'not_utf8' })
  expect(await envelopes.open(sealWithNode(Buffer.from('a\0b')))).toMatchObject({ cause: 'contains_nul' })
})

test('a key made for other uses is refused with a sentence for the operator', async () => {
  const pem = { type: 'pkcs8', format: 'pem' } as const
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export(pem).toString()
  const curve = generateKeyPairSync('ed25519').privateKey.export(pem).toString()
  for (const privateKeyPem of [weak, curve, 'no key at all']) {
    await expect(createEnvelopes({ privateKeyPem })).rejects.toThrow(/^AGENT_ENV_VARS_PRIVATE_KEY /)
  }
})

test('a key in one line, as variables often hold it, is the same key', async () => {
  const same = await createEnvelopes({ privateKeyPem: privateKeyPem.replaceAll('\n', '\\n') })
  expect(same.publicKey).toEqual(envelopes.publicKey)
  expect(same.publicKey.keyId).toMatch(/^[0-9a-f]{16}$/)
})
