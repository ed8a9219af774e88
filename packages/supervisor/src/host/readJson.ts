/** A JSON file of our own, checked by its schema; `undefined` when it is not there. A broken one is an error. */
import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import { isMissing } from './errorCode.ts'

export function readJson<S extends z.ZodType>(path: string, schema: S): z.infer<S> | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  return schema.parse(JSON.parse(text))
}
