/**
 * Secrets of this data folder that nobody configured: made at the first start by whoever is first, mode 0600, and the
 * same ever after. And the forms that configured keys must have.
 */
import { randomBytes } from 'node:crypto'
import { link, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from './host/systemError.ts'
import { sealKeyBytes } from './secrets/sealing.ts'

export async function keptSecret(home: string, name: string, make = randomSecret): Promise<string> {
  const path = join(home, name)
  const written = `${path}.${process.pid}`
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
  await writeFile(written, await make(), { mode: 0o600 })
  try {
    // A link appears whole, and never over one that is there.
    await link(written, path)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  } finally {
    await unlink(written)
  }
  return readFile(path, 'utf8')
}

const randomSecret = async (): Promise<string> => randomBytes(32).toString('base64url')

/** Base64, with either alphabet. What is no key is not stretched into one. */
export function readSealKey(text: string): Buffer {
  const key = Buffer.from(text, 'base64')
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text) && key.length === sealKeyBytes) return key
  throw new Error('CORRAL_SEAL_KEY must be the base64 of 32 bytes; make one with: openssl rand -base64 32')
}
