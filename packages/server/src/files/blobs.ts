/**
 * Blobs of sessions on the server's own disk, one folder per session, each named by its SHA-256. Invariants: a name is
 * there only with all of its bytes, on disk; bytes pass through in pieces and are never looked into; what a folder may
 * hold is bounded; nothing of a session is outside of its folder, so that removing that is removing all.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { SessionId } from '@corral/protocol'
import { sessionUuid } from '../database/sessionUuid.ts'
import { hasRoom } from '../host/disk.ts'
import { hasCode } from '../host/systemError.ts'

export type Blobs = ReturnType<typeof createBlobs>

/** Why bytes are not kept. */
export type BlobRefusal = 'other_content' | 'too_large' | 'no_room'

export function createBlobs(options: {
  folder: string
  /** What one session may hold, with what is no longer needed and not yet gone. */
  sessionBytes: number
  /** What must stay free on the disk. */
  spareBytes: number
}) {
  const folderOf = (session: SessionId) => join(options.folder, sessionUuid(session))
  const pathOf = (session: SessionId, hash: string) => join(folderOf(session), hash)

  async function bytesOf(session: SessionId, hash: string): Promise<number | null> {
    const found = await stat(pathOf(session, hash)).catch(orMissing)
    return found?.size ?? null
  }

  async function heldBytes(session: SessionId): Promise<number> {
    let bytes = 0
    for (const name of await namesIn(session)) bytes += (await bytesOf(session, name)) ?? 0
    return bytes
  }

  async function namesIn(session: SessionId): Promise<string[]> {
    return (await readdir(folderOf(session)).catch(orMissing)) ?? []
  }

  return {
    bytesOf,

    /** `source` ends after `bytes`, or breaks off, which rejects and keeps nothing. */
    async write(session: SessionId, hash: string, source: Readable, bytes: number): Promise<'kept' | BlobRefusal> {
      if ((await bytesOf(session, hash)) === bytes) return 'kept'
      if (!(await hasRoom(options.folder, bytes + options.spareBytes))) return 'no_room'
      if ((await heldBytes(session)) + bytes > options.sessionBytes) return 'too_large'
      await mkdir(folderOf(session), { recursive: true, mode: 0o700 })
      const fresh = `${pathOf(session, hash)}.${randomUUID()}.tmp`
      try {
        const digest = createHash('sha256')
        let written = 0
        const counted = async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            written += chunk.length
            digest.update(chunk)
            yield chunk
          }
        }
        // On disk before it has its name.
        await pipeline(source, counted, createWriteStream(fresh, { flags: 'wx', mode: 0o600, flush: true }))
        if (written !== bytes || digest.digest('hex') !== hash) return 'other_content'
        await rename(fresh, pathOf(session, hash))
        await syncFolder(folderOf(session))
        return 'kept'
      } catch (error) {
        if (hasCode(error, 'ENOSPC')) return 'no_room'
        throw error
      } finally {
        await rm(fresh, { force: true })
        await removeIfEmpty(folderOf(session))
      }
    },

    read: (session: SessionId, hash: string): Readable => createReadStream(pathOf(session, hash)),

    /** Removes everything else. */
    async keepOnly(session: SessionId, hashes: readonly string[]): Promise<void> {
      for (const name of await namesIn(session)) {
        if (!hashes.includes(name)) await rm(join(folderOf(session), name), { force: true })
      }
    },

    async removeAll(session: SessionId): Promise<void> {
      await rm(folderOf(session), { recursive: true, force: true })
    },
  }
}

function orMissing(error: unknown): null {
  if (hasCode(error, 'ENOENT')) return null
  throw error
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}

/** The session may have been removed while its bytes came in. */
async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder)
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'ENOENT')) throw error
  }
}
