/**
 * Replaces a small file as a whole: readers see the old content or the new one, never a mixture, whatever is killed
 * in between. `durable` also survives the machine.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

export function replaceFile(path: string, text: string, options: { mode?: number; durable?: boolean } = {}): void {
  const fresh = `${path}.${process.pid}.tmp`
  const file = openSync(fresh, 'w', options.mode ?? 0o600)
  try {
    writeSync(file, text)
    if (options.durable) fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(fresh, path)
  if (options.durable) syncFolder(dirname(path))
}

export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
