/**
 * Sealing at rest: AES-256-GCM under a key that is never in the database, so that a copy of the database alone tells no
 * secret. Invariants: what is sealed opens only in the place (table and row) that it was sealed for; what was changed,
 * moved, or sealed under another key does not open at all.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'

/** Where the sealed text lies: it is authenticated with it, so that rows cannot be exchanged. */
export type SealedPlace = { table: string; id: string }

export type Sealing = {
  /** version (1 byte), nonce (12), ciphertext, tag (16) */
  seal(plaintext: string, place: SealedPlace): Buffer
  /** Throws `SealBroken`. */
  open(sealed: Uint8Array, place: SealedPlace): string
  /** A keyed digest, in hex: equal for equal content, and worth nothing to somebody who guesses at it without the key. */
  digest(content: string): string
}

/** The sealed text was changed, belongs to another place, or was sealed under another key. */
export class SealBroken extends Error {
  constructor(place: SealedPlace, cause?: unknown) {
    super(
      `What is sealed in ${place.table} ${place.id} cannot be opened. It was changed, or sealed under another key: ` +
        'start with the CORRAL_SEAL_KEY (or the data folder) that it was stored with.',
      { cause },
    )
    this.name = 'SealBroken'
  }
}

const version = 1
const nonceBytes = 12
const tagBytes = 16
export const sealKeyBytes = 32

export function createSealing(options: { key: Uint8Array }): Sealing {
  if (options.key.length !== sealKeyBytes) throw new Error(`a seal key has ${sealKeyBytes} bytes`)
  const subkey = (purpose: string) => new Uint8Array(hkdfSync('sha256', options.key, '', `corral ${purpose}`, 32))
  const cipherKey = subkey('sealing')
  const digestKey = subkey('digests')

  return {
    seal(plaintext, place) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', cipherKey, nonce).setAAD(placeBytes(place))
      const head = Buffer.from([version])
      return Buffer.concat([head, nonce, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()])
    },
    open(sealed, place) {
      const bytes = Buffer.from(sealed)
      if (bytes.length < 1 + nonceBytes + tagBytes || bytes[0] !== version) throw new SealBroken(place)
      const nonce = bytes.subarray(1, 1 + nonceBytes)
      const decipher = createDecipheriv('aes-256-gcm', cipherKey, nonce, { authTagLength: tagBytes })
        .setAAD(placeBytes(place))
        .setAuthTag(bytes.subarray(-tagBytes))
      try {
        return Buffer.concat([decipher.update(bytes.subarray(1 + nonceBytes, -tagBytes)), decipher.final()]).toString()
      } catch (cause) {
        throw new SealBroken(place, cause)
      }
    },
    digest: (content) => createHmac('sha256', digestKey).update(content).digest('hex'),
  }
}

/** As JSON, so that no two places read the same. */
const placeBytes = ({ table, id }: SealedPlace) => Buffer.from(JSON.stringify([table, id]))
