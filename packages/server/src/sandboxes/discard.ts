/**
 * Files that nobody needs any more: of a whole sandbox, or of one session in it. They are renamed out of the sandbox's
 * reach while it is stopped, which takes no time and can be done under its lock, and removed afterwards, by whoever comes
 * first. Invariant: no link that the sandbox may have left is followed.
 */
import { randomUUID } from 'node:crypto'
import { lstat, mkdir, readdir, rename } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type SessionId, sessionState } from '@corral/protocol'
import { removeTree } from '../host/removeTree.ts'
import { hasCode } from '../host/systemError.ts'
import { inside, sandboxesFolder, sandboxPaths } from './layout.ts'

const mark = '.discarded-'

/** What a session has in a sandbox: two folders, by their paths inside, and what the supervisor keeps of it. */
export type SessionFiles = { id: SessionId; workspacePath: string; home: string }

/** The sandbox is stopped, and the caller's lock keeps it so. What is not there is passed over. */
export async function setAside(folder: string, files: SessionFiles | 'all'): Promise<void> {
  const places = files === 'all' ? [{ root: dirname(folder), below: basename(folder) }] : placesOf(folder, files)
  const discarded = `${dirname(folder)}/${mark}${randomUUID()}`
  for (const [i, { root, below }] of places.entries()) {
    if (!(await isReached(root, below))) continue
    await mkdir(discarded, { recursive: true, mode: 0o700 })
    await rename(`${root}/${below}`, `${discarded}/${i}`)
  }
}

/** Removes what was set aside, by this server or one before it, until `signal` aborts. */
export async function removeDiscarded(dataFolder: string, signal?: AbortSignal): Promise<void> {
  const folder = sandboxesFolder(dataFolder)
  const names = await readdir(folder).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
  for (const name of names) if (name.startsWith(mark)) await removeTree(`${folder}/${name}`, signal)
}

function placesOf(folder: string, { id, workspacePath, home }: SessionFiles) {
  const paths = sandboxPaths(folder)
  const state = sessionState(id)
  return [
    { root: paths.workspace, below: below(inside.workspace, workspacePath) },
    { root: paths.home, below: below(inside.home, home) },
    { root: paths.state, below: state.spool },
    { root: paths.state, below: state.scratch },
    { root: paths.state, below: state.record },
  ]
}

function below(folder: string, path: string): string {
  if (path.startsWith(`${folder}/`)) return path.slice(folder.length + 1)
  throw new RangeError(`${path} is not in ${folder}.`)
}

/** Every folder on the way is one, and no link; what lies at its end may be anything. */
async function isReached(root: string, path: string): Promise<boolean> {
  const names = path.split('/')
  if (names.some((name) => name === '' || name === '.' || name === '..')) return false
  let at = root
  for (const [i, name] of names.entries()) {
    at = `${at}/${name}`
    const found = await lstat(at).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return null
      throw error
    })
    if (!found || (i < names.length - 1 && !found.isDirectory())) return false
  }
  return true
}
