/**
 * One configured secret, several keys: each purpose has its own, so that what is signed for one of them is worth
 * nothing for another (a stream ticket is no bearer, and a bearer is no ticket).
 */
import { hkdfSync } from 'node:crypto'

export type KeyPurpose =
  | 'stream tickets'
  | 'sign-in'
  | 'first sign-in'
  | 'web tickets'
  | 'message cursors'
  | 'share tokens'

/** 32 bytes, by HKDF with SHA-256. */
export function derivedKey(secret: string, purpose: KeyPurpose): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', `corral ${purpose}`, 32))
}
