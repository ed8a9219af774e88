/** Whether something is at a path. What cannot be told is an error. */
import { stat } from 'node:fs/promises'
import { hasCode } from './systemError.ts'

export async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}
