/**
 * `.git/corral.json` says that a checkout is whole, and from which attempt: one without a stamp is half-made and made
 * again, one with it is reused in milliseconds. It is written last, into the folder that is then renamed into place.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../host/readJson.ts'
import { replaceFile } from '../host/replaceFile.ts'

const stampSchema = z.object({
  attempt: z.number().int().positive(),
  edition: z.number().int().positive().default(1),
  branch: z.string(),
  /** What the session's work is compared with; the empty tree where the repository was empty. */
  baseCommit: z.string(),
  /** All setup commands have run; else they run again at the next preparation. */
  setUp: z.boolean(),
})
export type Stamp = z.infer<typeof stampSchema>

const stampPath = (workspacePath: string): string => join(workspacePath, '.git', 'corral.json')

/** The agent can write to it; a stamp that cannot be read is none, and the checkout is made again. */
export function readStamp(workspacePath: string): Stamp | undefined {
  try {
    return readJson(stampPath(workspacePath), stampSchema)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined
    throw error
  }
}

export const writeStamp = (workspacePath: string, stamp: Stamp): void =>
  replaceFile(stampPath(workspacePath), JSON.stringify(stamp))
