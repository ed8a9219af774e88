/**
 * The work of a session as one git bundle: its commits and branches, what is staged, and all files as they lie there,
 * ignored ones left out. Invariants: the workspace is read only; what is in the bundle is bounded, and what had to be
 * left out is named; the same state makes the same bundle.
 */
import { lstatSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Checkpoint, checkpointLimits, MiB } from '@corral/protocol'
import { errorCode } from '../host/errorCode.ts'
import { emptyTree, type Git, type GitOptions, line } from '../workspaces/git.ts'
import { boundMs, CannotCapture, createBareGit } from './bareGit.ts'

/** Of what takes its time with many or large files. */
const largeMs = 120_000
const listBytes = 16 * MiB

export type CapturedWorkspace = {
  described: Omit<Checkpoint['workspace'], 'bundle'>
  bundlePath: string
  /** For people: what is not in it, and why. */
  leftOut: string[]
}

export async function captureWorkspace(options: {
  workspacePath: string
  /** The commit that the repository has for sure; `emptyTree` for none. */
  base: string
  /** An empty folder of ours. */
  scratch: string
  environment: Record<string, string>
  signal: AbortSignal
}): Promise<CapturedWorkspace> {
  const { workspacePath, scratch, environment, signal } = options
  const bounds: GitOptions = { timeoutMs: boundMs, signal }
  const { theirs, run, staged } = await createBareGit(workspacePath, scratch, environment)
  const base = options.base === emptyTree ? null : options.base

  const head = await line(theirs, ['rev-parse', '--verify', '--quiet', 'HEAD'], bounds)
  const branch = await line(theirs, ['symbolic-ref', '--short', '--quiet', 'HEAD'], bounds)
  const { branches, stash } = await references(theirs, bounds)
  const taken = await takeFiles(run, workspacePath, bounds)
  const files = await commitOf(run, head, bounds)
  if (!files) throw new CannotCapture('The files of the workspace could not be read by git.')
  const index = await commitOf(staged, head, bounds)
  const leftOut = [...taken, ...(index ? [] : ['what is staged in the middle of a merge'])]

  const kept = [
    ['files', files],
    ['index', index],
    ['head', head],
    ['stash', stash],
    ...branches.map(({ name, commit }) => [`heads/${name}`, commit]),
  ].flatMap(([name, commit]) => (commit ? [`create refs/corral/${name} ${commit}\n`] : []))
  await must(run, ['update-ref', '--stdin'], { ...bounds, input: kept.join('') })
  const bundlePath = join(scratch, 'work.bundle')
  const without = base ? ['--not', base] : []
  await must(run, ['bundle', 'create', '--quiet', bundlePath, '--all', ...without], { ...bounds, timeoutMs: largeMs })
  const { size } = statSync(bundlePath)
  if (size > checkpointLimits.blobBytes) {
    throw new CannotCapture(
      `The work of this session takes ${inMiB(size)}, and ${inMiB(checkpointLimits.blobBytes)} can be kept.`,
    )
  }
  return { described: { base, branch, head, branches, stash, files, index }, bundlePath, leftOut }
}

async function references(git: Git, bounds: GitOptions) {
  const args = [
    'for-each-ref',
    '--format=%(objectname) %(refname)',
    '--sort=-committerdate',
    'refs/heads',
    'refs/stash',
  ]
  const { code, stdout } = await git(args, bounds)
  if (code !== 0) throw new CannotCapture('The branches of the workspace could not be read by git.')
  const all = stdout.split('\n').flatMap((row) => {
    const [commit, name] = row.split(' ')
    return commit && name ? [{ commit, name }] : []
  })
  const branches = all.flatMap(({ commit, name }) =>
    name.startsWith('refs/heads/') ? [{ commit, name: name.slice('refs/heads/'.length) }] : [],
  )
  return {
    branches: branches.filter(({ name }) => name.length <= 250).slice(0, checkpointLimits.branches),
    stash: all.find(({ name }) => name === 'refs/stash')?.commit ?? null,
  }
}

/** Brings the index to what lies in the folder, and says what it could not take. */
async function takeFiles(git: Git, workspacePath: string, bounds: GitOptions): Promise<string[]> {
  const listed = async (...which: string[]) => {
    const { code, stdout, stoppedBy } = await git(['ls-files', '-z', ...which], { ...bounds, maxBytes: listBytes })
    if (stoppedBy === 'output') throw new CannotCapture('There are too many new files in the workspace.')
    if (code !== 0) throw new CannotCapture('The files of the workspace could not be listed by git.')
    return stdout.split('\0').filter((path) => path !== '')
  }
  const untracked = await listed('--others', '--exclude-standard')
  const changed = [...untracked, ...(await listed('--modified'))]
  if (changed.length > checkpointLimits.files) {
    throw new CannotCapture(`${changed.length} files have changed, and ${checkpointLimits.files} can be kept.`)
  }
  const left = tooMuch(changed, workspacePath)
  const input = ['.', ...left.map(({ path }) => `:(exclude,literal)${path.replace(/\/$/, '')}`)].join('\0')
  const args = ['add', '--all', '--ignore-errors', '--pathspec-from-file=-', '--pathspec-file-nul']
  const { code } = await git(['-c', 'advice.addEmbeddedRepo=false', ...args], { ...bounds, timeoutMs: largeMs, input })
  const leftOut = left.map(({ path, why }) => `${path} (${why})`)
  if (code === 0) return leftOut
  const known = new Set(left.map(({ path }) => path))
  const rest = (await listed('--others', '--exclude-standard')).filter((path) => !known.has(path))
  return [...leftOut, ...rest.map((path) => `${path} (it cannot be read)`)]
}

/** The largest go first until the others fit. A repository inside of this one is not ours to carry. */
function tooMuch(paths: string[], workspacePath: string): { path: string; why: string }[] {
  const nested = paths.filter((path) => path.endsWith('/'))
  const sized = paths
    .filter((path) => !path.endsWith('/'))
    .map((path) => ({ path, bytes: sizeOf(join(workspacePath, path)) }))
    .sort((a, b) => b.bytes - a.bytes)
  let total = sized.reduce((sum, { bytes }) => sum + bytes, 0)
  const large = sized.filter(({ bytes }) => {
    if (bytes <= checkpointLimits.fileBytes && total <= checkpointLimits.filesBytes) return false
    total -= bytes
    return true
  })
  return [
    ...nested.map((path) => ({ path, why: 'a repository of its own' })),
    ...large.map(({ path, bytes }) => ({ path, why: inMiB(bytes) })),
  ]
}

/** 0 for what is not there (any more), or has a name that is no text. */
function sizeOf(path: string): number {
  try {
    return lstatSync(path).size
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(errorCode(error) ?? '')) return 0
    throw error
  }
}

/** What the index holds, as a commit on top of the head. Null: it cannot be told. */
async function commitOf(git: Git, head: string | null, bounds: GitOptions): Promise<string | null> {
  const tree = await line(git, ['write-tree'], bounds)
  if (!tree) return null
  return line(git, ['commit-tree', ...(head ? ['-p', head] : []), '-m', 'Corral', tree], bounds)
}

async function must(git: Git, args: readonly string[], options: GitOptions): Promise<void> {
  const end = await git(args, options)
  if (end.code === 0) return
  options.signal?.throwIfAborted()
  throw new Error(`git ${args[0]} ended with ${end.code}: ${end.stderr.slice(0, 500)}`)
}

const inMiB = (bytes: number): string => `${Math.round(bytes / MiB)} MiB`
