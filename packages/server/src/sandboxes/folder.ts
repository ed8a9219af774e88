// Makes a sandbox's folder on this host, its boot file and its log. Invariants: what the sandbox may write belongs to
// its host user, the rest to the server; nothing is written through a name that the sandbox could have made a link.
import { randomUUID } from 'node:crypto'
import { chmod, chown, type FileHandle, lstat, mkdir, open, rename, stat } from 'node:fs/promises'
import type { BootFile } from '@corral/protocol'
import { removeTree } from '../host/removeTree.ts'
import { hasCode } from '../host/systemError.ts'
import type { SandboxSpec } from './driver.ts'
import { inside, type SandboxPaths, sandboxPaths } from './layout.ts'

/**
 * Whether what is bound into a sandbox still is where it was bound from. One whose folders were removed under it runs on,
 * and can keep nothing any more.
 */
export async function isWhole(folder: string): Promise<boolean> {
  const { workspace, home, state } = sandboxPaths(folder)
  const found = await Promise.all([workspace, home, state].map((path) => stat(path).catch(orMissing)))
  return found.every((entry) => entry !== null)
}

function orMissing(error: unknown): null {
  if (hasCode(error, 'ENOENT')) return null
  throw error
}

export async function makeSandboxFolder({ folder, hostUser }: SandboxSpec): Promise<SandboxPaths> {
  const paths = sandboxPaths(folder)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const path of [paths.workspace, paths.home, paths.state]) {
    await mkdir(path, { recursive: true, mode: 0o700 })
    // Looked at each time: the server may have died between the two steps, and its owner inside may have closed it.
    const { uid, mode } = await lstat(path)
    if (hostUser !== undefined && uid !== hostUser) await chown(path, hostUser, hostUser)
    if ((mode & 0o700) !== 0o700) await chmod(path, 0o700)
  }
  return paths
}

/** Written under a new name and renamed, because the last boot may have left a link under the old one, or a folder. */
export async function writeBootFile(paths: SandboxPaths, spec: SandboxSpec): Promise<void> {
  const boot: BootFile = {
    sandboxId: spec.sandboxId,
    bootId: spec.bootId,
    linkToken: spec.linkToken,
    doors: { server: inside.serverDoor, gateway: inside.gatewayDoor },
    limits: {
      memoryBytes: spec.limits.memoryBytes,
      processes: spec.limits.processes,
      diskBytes: spec.limits.diskBytes,
    },
  }
  const written = `${paths.state}/.boot-${randomUUID()}`
  await using file = await open(written, 'wx', 0o600)
  await giveTo(file, spec.hostUser)
  await file.writeFile(JSON.stringify(boot))
  try {
    await rename(written, paths.bootFile)
  } catch (error) {
    if (!hasCode(error, 'EISDIR')) throw error
    await removeTree(paths.bootFile)
    await rename(written, paths.bootFile)
  }
}

/** The log of the init and the supervisor; the init keeps it short, for which its user must own it. */
export async function openLog(paths: SandboxPaths, { hostUser }: SandboxSpec): Promise<FileHandle> {
  const log = await open(paths.log, 'a+', 0o600)
  await giveTo(log, hostUser)
  return log
}

async function giveTo(file: FileHandle, hostUser: number | undefined): Promise<void> {
  if (hostUser !== undefined) await file.chown(hostUser, hostUser)
}
