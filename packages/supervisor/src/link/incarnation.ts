/**
 * The number of this start of the supervisor: the next one from a file, on disk before it is used, so that the server
 * can fence off whichever supervisor is older. A file that cannot be read is an error: guessing would fence us off.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../host/readJson.ts'
import { replaceFile } from '../host/replaceFile.ts'

export function nextIncarnation(stateDir: string): number {
  const path = join(stateDir, 'incarnation')
  const next = (readJson(path, z.number().int().nonnegative()) ?? 0) + 1
  replaceFile(path, String(next), { durable: true })
  return next
}
