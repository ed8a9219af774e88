/**
 * Makes the envelope of a secret for a server's public key, with WebCrypto alone: in Node and in browsers, so that no
 * secret leaves the machine of its owner in plain form.
 */
import type { SecretEnvelope } from '@corral/protocol'

/** `publicKey` is PEM, as `secretsPublicKey()` gives it. The text may have 32 KiB, in UTF-8, without U+0000. */
export async function encryptSecret(publicKey: string, text: string): Promise<SecretEnvelope> {
  const wrapping = await crypto.subtle.importKey(
    'spki',
    derOf(publicKey),
    { name: 'RSA-OAEP', hash: 'SHA-256' },
    false,
    ['encrypt'],
  )
  // One key per secret, never used again.
  const dek = crypto.getRandomValues(new Uint8Array(32))
  const iv = crypto.getRandomValues(new Uint8Array(16))
  const key = await crypto.subtle.importKey('raw', dek, 'AES-GCM', false, ['encrypt'])
  const encrypted = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, new TextEncoder().encode(text))
  const data = new Uint8Array(iv.length + encrypted.byteLength)
  data.set(iv)
  data.set(new Uint8Array(encrypted), iv.length)
  return {
    encryptedData: base64(data),
    encryptedDEK: base64(new Uint8Array(await crypto.subtle.encrypt('RSA-OAEP', wrapping, dek))),
    algorithm: 'rsa-aes-256-gcm',
    version: 1,
  }
}

function derOf(pem: string): Uint8Array<ArrayBuffer> {
  const base = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/.exec(pem)?.[1]
  if (base === undefined) throw new TypeError('The public key must be PEM (-----BEGIN PUBLIC KEY-----).')
  return Uint8Array.from(atob(base.replace(/\s/g, '')), (character) => character.charCodeAt(0))
}

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
