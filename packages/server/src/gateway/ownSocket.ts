/**
 * A Unix socket that one process takes over from another without a moment in which nobody listens: it is made under a
 * name of its own and then renamed over the old one. A process that ends removes the name only while it is its own.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, rename, stat, unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import { dirname, join } from 'node:path'
import { hasCode } from '../host/systemError.ts'

export type OwnSocket = {
  /** Whether the name still leads here. */
  isOurs(): Promise<boolean>
  /** To be called when the server listens no longer. */
  release(): Promise<void>
}

export async function takeSocket(server: Server, path: string, mode: number): Promise<OwnSocket> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  // As short as the name it will have: a socket's path ends at 107 bytes. Node removes this name, not the other, at close.
  const made = join(dirname(path), randomBytes(4).toString('hex'))
  server.listen(made)
  await once(server, 'listening')
  await chmod(made, mode)
  const { dev, ino } = await stat(made)
  await rename(made, path)

  async function isOurs(): Promise<boolean> {
    try {
      const found = await stat(path)
      return found.dev === dev && found.ino === ino
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
  }

  return {
    isOurs,
    async release() {
      if (await isOurs()) await unlink(path)
    },
  }
}
