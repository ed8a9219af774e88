/**
 * Repositories on this machine, below the roots that the operator lists. What is served is a real folder inside a root
 * after all links are resolved, and its parts are no links either.
 */
import { lstat, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { hasCode } from '../host/systemError.ts'

export type LocalRepository = {
  /** The folder with HEAD, objects and refs. */
  gitFolder: string
  /** To whom it belongs. */
  uid: number
  gid: number
}

/** Null for everything else alike, so that nothing is learned about what is outside. */
export async function findLocalRepository(path: string, roots: readonly string[]): Promise<LocalRepository | null> {
  const folder = await realPathOf(path)
  if (folder === null || !(await isBelow(folder, roots))) return null
  const inside = join(folder, '.git')
  const kind = await kindOf(inside)
  // A `.git` that is a file or a link leads to a repository elsewhere.
  if (kind !== 'folder' && kind !== 'nothing') return null
  const gitFolder = kind === 'folder' ? inside : folder
  const parts = await Promise.all(['HEAD', 'objects', 'refs', 'commondir'].map((name) => kindOf(join(gitFolder, name))))
  if (parts.join() !== 'file,folder,folder,nothing') return null
  const { uid, gid } = await lstat(gitFolder)
  return { gitFolder, uid, gid }
}

async function isBelow(folder: string, roots: readonly string[]): Promise<boolean> {
  for (const root of roots) {
    const real = await realPathOf(root)
    if (real !== null && (folder === real || folder.startsWith(real.endsWith(sep) ? real : real + sep))) return true
  }
  return false
}

async function realPathOf(path: string): Promise<string | null> {
  try {
    return await realpath(path)
  } catch (error) {
    if (isAbsence(error)) return null
    throw error
  }
}

async function kindOf(path: string): Promise<'folder' | 'file' | 'link' | 'nothing'> {
  try {
    const found = await lstat(path)
    if (found.isDirectory()) return 'folder'
    return found.isFile() ? 'file' : 'link'
  } catch (error) {
    if (isAbsence(error)) return 'nothing'
    throw error
  }
}

const isAbsence = (error: unknown) => hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG')
