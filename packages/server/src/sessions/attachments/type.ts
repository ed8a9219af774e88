/** What a file is, by its own bytes; what its sender says of it counts for nothing. */
import type { AttachmentType } from '@corral/protocol'

const signatures: readonly [AttachmentType, (bytes: Buffer) => boolean][] = [
  ['image/png', (bytes) => begins(bytes, '89504e470d0a1a0a')],
  ['image/jpeg', (bytes) => begins(bytes, 'ffd8ff')],
  ['image/gif', (bytes) => ['GIF87a', 'GIF89a'].includes(bytes.toString('latin1', 0, 6))],
  ['image/webp', (bytes) => bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP'],
  ['application/pdf', (bytes) => bytes.toString('latin1', 0, 5) === '%PDF-'],
  ['text/plain', isText],
]

/** Null: nothing that a model reads. */
export const typeOf = (bytes: Buffer): AttachmentType | null => signatures.find(([, is]) => is(bytes))?.[0] ?? null

const begins = (bytes: Buffer, hex: string) => bytes.subarray(0, hex.length / 2).toString('hex') === hex

/** UTF-8, whole, and without the byte that no text has. */
function isText(bytes: Buffer): boolean {
  if (bytes.includes(0)) return false
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch (error) {
    if (error instanceof TypeError) return false
    throw error
  }
}
