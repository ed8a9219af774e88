/**
 * Envelopes: secrets that their sender encrypted for this server. A fresh 32-byte key each, wrapped by RSA-OAEP with
 * SHA-256; the text by AES-256-GCM with a nonce of 16 bytes. Opened in memory alone, off the event loop; what cannot be
 * opened says why and nothing of its content. Source: 30-cloud-agent-api §10.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, webcrypto } from 'node:crypto'
import { promisify } from 'node:util'

export type Envelope = { encryptedData: string; encryptedDEK: string }

export type EnvelopeFault = 'dek_unwrap_failed' | 'authentication_failed' | 'not_utf8' | 'contains_nul' | 'too_long'
export type OpenedEnvelope = { ok: true; value: string } | { ok: false; cause: EnvelopeFault }

export type Envelopes = {
  /** PEM (SPKI), and the first 16 hex digits of the SHA-256 of its DER. */
  publicKey: { publicKey: string; keyId: string }
  /** Length of every `encryptedDEK`. */
  modulusBytes: number
  open(envelope: Envelope): Promise<OpenedEnvelope>
}

const nonceBytes = 16
const dekBytes = 32
const maxPlaintextBytes = 32 * 1024
const leastModulusBits = 2048

/** Throws a sentence for the operator when the PEM is no RSA key, or a weak one. */
export async function createEnvelopes(options: { privateKeyPem: string }): Promise<Envelopes> {
  const key = readPrivateKey(options.privateKeyPem)
  const modulusBits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (key.asymmetricKeyType !== 'rsa' || modulusBits < leastModulusBits) {
    throw new Error(`AGENT_ENV_VARS_PRIVATE_KEY must be an RSA key of at least ${leastModulusBits} bits.`)
  }
  const publicKey = createPublicKey(key)
  const unwrapping = await webcrypto.subtle.importKey(
    'pkcs8',
    key.export({ type: 'pkcs8', format: 'der' }),
    { name: 'RSA-OAEP', hash: 'SHA-256' },
    false,
    ['decrypt'],
  )

  async function unwrap(encryptedDEK: string): Promise<webcrypto.CryptoKey | null> {
    const wrapped = Buffer.from(encryptedDEK, 'base64')
    const dek = await attempt(() => webcrypto.subtle.decrypt('RSA-OAEP', unwrapping, wrapped))
    if (dek?.byteLength !== dekBytes) return null
    return webcrypto.subtle.importKey('raw', dek, 'AES-GCM', false, ['decrypt'])
  }

  return {
    publicKey: {
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      keyId: createHash('sha256')
        .update(publicKey.export({ type: 'spki', format: 'der' }))
        .digest('hex')
        .slice(0, 16),
    },
    modulusBytes: Math.ceil(modulusBits / 8),
    async open({ encryptedData, encryptedDEK }) {
      const dek = await unwrap(encryptedDEK)
      if (!dek) return { ok: false, cause: 'dek_unwrap_failed' }
      const data = Buffer.from(encryptedData, 'base64')
      const iv = data.subarray(0, nonceBytes)
      const text = await attempt(() =>
        webcrypto.subtle.decrypt({ name: 'AES-GCM', iv }, dek, data.subarray(nonceBytes)),
      )
      return text === null ? { ok: false, cause: 'authentication_failed' } : readText(text)
    },
  }
}

/** 3072 bits, as PEM (PKCS #8). */
export async function newEnvelopeKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 3072 })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function readPrivateKey(pem: string): KeyObject {
  try {
    // In a variable of an environment, line ends are often written as \n.
    return createPrivateKey(pem.replaceAll('\\n', '\n'))
  } catch (cause) {
    throw new Error('AGENT_ENV_VARS_PRIVATE_KEY is not a private key in PEM form.', { cause })
  }
}

function readText(bytes: ArrayBuffer): OpenedEnvelope {
  if (bytes.byteLength > maxPlaintextBytes) return { ok: false, cause: 'too_long' }
  const value = decodeUtf8(bytes)
  if (value === null) return { ok: false, cause: 'not_utf8' }
  if (value.includes('\0')) return { ok: false, cause: 'contains_nul' }
  return { ok: true, value }
}

function decodeUtf8(bytes: ArrayBuffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}

/** Null where the bytes do not decrypt; WebCrypto says no more than that. */
async function attempt(decrypt: () => Promise<ArrayBuffer>): Promise<ArrayBuffer | null> {
  try {
    return await decrypt()
  } catch (error) {
    if (error instanceof DOMException) return null
    throw error
  }
}
