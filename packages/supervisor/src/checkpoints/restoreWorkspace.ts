/**
 * Brings a fresh checkout to where a bundle says that the session was: branches, head, what was staged, and every file
 * byte by byte. Invariants: git writes the files, so none of them lands outside of the checkout or in its `.git`; done in
 * a folder that becomes the workspace only afterwards, so half of it is never seen.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Checkpoint } from '@corral/protocol'
import { createGit, type Git, type GitOptions, line } from '../workspaces/git.ts'
import { boundMs, rawAttributes } from './bareGit.ts'

/** What was kept does not fit to the repository any more; trying again would not change that. */
export class CannotRestore extends Error {
  constructor(sentence: string) {
    super(sentence)
    this.name = 'CannotRestore'
  }
}

const networkMs = 120_000
/** No hooks; and a name that would be harmful on other systems is one like any other here. */
const ours = ['core.hooksPath=/dev/null', 'core.protectNTFS=false', 'core.protectHFS=false'].flatMap((set) => [
  '-c',
  set,
])

export async function restoreWorkspace(options: {
  /** The fresh checkout. */
  folder: string
  described: Omit<Checkpoint['workspace'], 'bundle'>
  bundlePath: string
  shallow: boolean
  environment: Record<string, string>
  signal: AbortSignal
}): Promise<void> {
  const { folder, described, bundlePath, signal } = options
  const { base, branch, head, branches, stash, files, index } = described
  const git = createGit({ cwd: folder, environment: options.environment })
  const bounds: GitOptions = { timeoutMs: boundMs, signal }
  const must = async (args: readonly string[], more: Partial<GitOptions> = {}) => {
    const end = await git([...ours, ...args], { ...bounds, ...more })
    signal.throwIfAborted()
    if (end.code !== 0) throw new CannotRestore(`git ${args[0]} ended with ${end.code}`)
  }

  if (base) await haveCommit(git, base, options.shallow, bounds)
  // A bundle is taken only where what it builds on can be reached.
  if (base) await must(['update-ref', 'refs/corral-base', base])
  await must(['bundle', 'unbundle', bundlePath], { timeoutMs: networkMs })

  if (head) await must(['checkout', '--quiet', '--force', '--detach', head])
  for (const { name, commit } of branches) await must(['update-ref', `refs/heads/${name}`, commit])
  if (stash) await must(['update-ref', '--create-reflog', 'refs/stash', stash])
  if (branch) await must(['symbolic-ref', 'HEAD', `refs/heads/${branch}`])
  if (base) await must(['update-ref', '-d', 'refs/corral-base'])

  const attributes = join(folder, '.git/info/attributes')
  mkdirSync(dirname(attributes), { recursive: true })
  writeFileSync(attributes, rawAttributes)
  try {
    await must(['read-tree', '--reset', '-u', files])
  } finally {
    rmSync(attributes)
  }
  await must(['read-tree', index ?? head ?? '--empty'])
  // Only tells which files are as they are staged; it may find that some are not.
  await git(['update-index', '-q', '--refresh'], bounds)
}

/** A shallow clone has the newest commit alone, and a session may have begun at an older one. */
async function haveCommit(git: Git, commit: string, shallow: boolean, bounds: GitOptions): Promise<void> {
  const known = () => line(git, ['rev-parse', '--verify', '--quiet', `${commit}^{commit}`], bounds)
  if (await known()) return
  const depth = shallow ? ['--depth', '1'] : []
  await git(['fetch', '--quiet', '--no-tags', ...depth, 'origin', commit], { ...bounds, timeoutMs: networkMs })
  bounds.signal?.throwIfAborted()
  if (!(await known())) throw new CannotRestore(`the repository has no commit ${commit} any more`)
}
