/**
 * The token that proves a link to be one boot's. It is derived, so that a start that is repeated gives the same; the
 * database has its hash alone.
 */
import { createHash, createHmac } from 'node:crypto'
import type { BootId } from '@corral/protocol'

export const linkToken = (secret: string, bootId: BootId): string =>
  createHmac('sha256', secret).update(`corral link ${bootId}`).digest('base64url')

export const linkTokenHash = (token: string): Buffer => createHash('sha256').update(token).digest()
