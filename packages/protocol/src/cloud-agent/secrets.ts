/**
 * Encrypted secrets as they come in: only the form is checked here, and no message repeats a part of one. They are
 * opened when an agent starts, by whoever has the private key. Source: 30-cloud-agent-api §10.
 */
import { z } from 'zod'
import { table, variableName } from './fields.ts'

const KiB = 1024
const base64 = (bytes: { min: number; max: number }, message: string) =>
  z
    .string()
    .max(Math.ceil(bytes.max / 3) * 4, message)
    .refine((value) => {
      const length = base64Bytes(value)
      return length !== null && length >= bytes.min && length <= bytes.max
    }, message)

/** Length of what canonical base64 stands for; null for anything else. */
function base64Bytes(value: string): number | null {
  if (value.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return null
  // Bits that stand for nothing must be zero, or one value would have several spellings.
  if (btoa(atob(value)) !== value) return null
  return (value.length / 4) * 3 - (value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0)
}

export const secretEnvelopeSchema = z.strictObject({
  /** 16 bytes of IV, ciphertext, 16 bytes of tag. */
  encryptedData: base64({ min: 32, max: 48 * KiB }, 'must be canonical base64 of 32 bytes to 48 KiB'),
  encryptedDEK: base64({ min: 256, max: 2 * KiB }, 'must be canonical base64 of as many bytes as the key has'),
  algorithm: z.literal('rsa-aes-256-gcm', 'must be rsa-aes-256-gcm'),
  version: z.literal(1, 'must be 1'),
})
export type SecretEnvelope = z.infer<typeof secretEnvelopeSchema>

export const encryptedSecrets = table(variableName, secretEnvelopeSchema, 50)
