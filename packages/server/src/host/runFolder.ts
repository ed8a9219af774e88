/**
 * The run folder: where the sockets of one data folder live. A socket's path ends at 107 bytes (103 on macOS), so it is
 * short and not inside the data folder, which may lie anywhere.
 * Invariants: all processes of a data folder find the same run folder, whatever their environment (`<data folder>/run`
 * remembers it); it belongs to us alone; nobody else can list it or put anything into it.
 */
import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir, readlink, realpath, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { hasCode } from './systemError.ts'

/** The longest path below a run folder is `owner.<8 hex>/<8 hex>`, see `ownerLock.ts`. */
const maxSocketNameBytes = 23
const maxSocketPathBytes = process.platform === 'darwin' ? 103 : 107

/**
 * Makes the folder of `doors/`, the sockets that sandboxes see, and of everything private beside it.
 *
 * Modes: when the server is root, sandboxes run as other users and must reach `doors/`, so each folder on the way is
 * 0711: others may pass through to a name that they know, but not list or write. What is private beside `doors/` is
 * closed itself: a folder of mode 0700. An ordinary user's sandboxes run as that user, so there the way is 0700.
 *
 * @param runtimeDir `XDG_RUNTIME_DIR`, where an ordinary user's run folder goes.
 */
export async function runFolder(dataFolder: string, { runtimeDir }: { runtimeDir?: string } = {}): Promise<string> {
  await mkdir(dataFolder, { recursive: true, mode: 0o700 })
  const data = await realpath(dataFolder)
  const name = dataFolderName(data)
  const pointer = join(data, 'run')

  const remembered = await readPointer(pointer)
  // A data folder that was moved or copied brings the pointer of the old place along.
  if (remembered !== undefined && basename(remembered) === name && (await isThere(remembered))) {
    return prepare(remembered)
  }
  const folder = await makeFirst(candidates(runtimeDir).map((parent) => join(parent, name)))
  await rm(pointer, { force: true })
  await symlink(folder, pointer)
  return folder
}

/** Eight hex digits that name a data folder, given its real path, where its path is too long. */
export function dataFolderName(realPath: string): string {
  return createHash('sha256').update(realPath).digest('hex').slice(0, 8)
}

const userId = process.getuid?.() ?? 0
const passingMode = userId === 0 ? 0o711 : 0o700

function candidates(runtimeDir: string | undefined): string[] {
  const temporary = join(tmpdir(), `corral-${userId}`)
  if (userId === 0) return ['/run/corral', temporary]
  return runtimeDir ? [join(runtimeDir, 'corral'), temporary] : [temporary]
}

async function makeFirst([folder, ...others]: string[]): Promise<string> {
  if (folder === undefined) throw new Error('No place for the run folder: the temporary folder is not writable.')
  try {
    return await prepare(folder)
  } catch (error) {
    // The place does not exist here or takes no folders, e.g. a read-only /run or the runtime folder of another user.
    if (others.length > 0 && hasCode(error, 'ENOENT', 'EACCES', 'EROFS', 'EPERM')) return makeFirst(others)
    throw error
  }
}

async function prepare(folder: string): Promise<string> {
  const longestBytes = Buffer.byteLength(folder) + 1 + maxSocketNameBytes
  if (longestBytes > maxSocketPathBytes) {
    throw new Error(
      `The run folder ${folder} is too long for sockets: their paths may have ${maxSocketPathBytes} bytes, and the ` +
        `longest would have ${longestBytes}. Set XDG_RUNTIME_DIR or TMPDIR to a shorter folder.`,
    )
  }
  await ownFolder(dirname(folder), passingMode)
  await ownFolder(folder, passingMode)
  await ownFolder(join(folder, 'doors'), 0o711)
  return folder
}

async function ownFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
  const found = await lstat(path)
  if (!found.isDirectory() || found.uid !== userId) {
    const what = found.isDirectory() ? `belongs to another user (id ${found.uid})` : 'is not a folder'
    throw new Error(
      `Corral keeps its sockets in ${path}, but that ${what}. Remove it, or set XDG_RUNTIME_DIR or TMPDIR to a folder ` +
        'of your own.',
    )
  }
  // mkdir's mode is cut by the umask, and an older folder may be wider than it should.
  if ((found.mode & 0o777) !== mode) await chmod(path, mode)
}

async function readPointer(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    if (hasCode(error, 'EINVAL')) throw new Error(`${path} is not Corral's link to its run folder. Move it elsewhere.`)
    throw error
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory()
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES')) return false
    throw error
  }
}
