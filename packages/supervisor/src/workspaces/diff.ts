/**
 * What changed in a workspace since its base: tracked and untracked files, committed or not. Reads only: untracked
 * files are noted in a copy of the index. Bounded in time and size; `null` when git does not answer in time.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MiB, type WorkspaceDiff } from '@corral/protocol'
import type { Git } from './git.ts'

const boundMs = 5_000
const patchBytes = MiB
const listBytes = 2 * MiB

export async function readDiff(git: Git, workspacePath: string, base: string): Promise<WorkspaceDiff | null> {
  const deadline = performance.now() + boundMs
  const scratch = mkdtempSync(join(tmpdir(), 'corral-index-'))
  try {
    const index = join(scratch, 'index')
    const real = join(workspacePath, '.git', 'index')
    if (existsSync(real)) copyFileSync(real, index)
    const options = (maxBytes: number) => ({
      timeoutMs: Math.max(1, deadline - performance.now()),
      environment: { GIT_INDEX_FILE: index },
      maxBytes,
    })
    const plain = ['--no-ext-diff', '--no-textconv', '--no-color', '--find-renames', base, '--']
    const added = await git(['add', '--intent-to-add', '--all'], options(listBytes))
    if (added.code !== 0) return null
    const list = await git(['diff', '--raw', '--numstat', '-z', ...plain], options(listBytes))
    if (list.code !== 0) return null
    const patch = await git(['diff', ...plain], options(patchBytes))
    if (patch.code !== 0 && patch.stoppedBy !== 'output') return null
    const truncated = patch.stoppedBy === 'output'
    return {
      base,
      files: parseChanges(list.stdout),
      patch: truncated ? patch.stdout.slice(0, patch.stdout.lastIndexOf('\n') + 1) : patch.stdout,
      truncated,
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

type ChangedFile = WorkspaceDiff['files'][number]

/**
 * `--raw --numstat -z`: first all raw entries (`:… <status>` NUL path [NUL new path]), then all counts
 * (`<added> TAB <deleted> TAB path`, or an empty path followed by old and new one).
 */
function parseChanges(text: string): ChangedFile[] {
  const fields = text.split('\0')
  const files = new Map<string, ChangedFile>()
  for (let i = 0; i < fields.length; ) {
    const field = fields[i++] ?? ''
    const raw = /^:\S+ \S+ \S+ \S+ ([A-Z])\d*$/.exec(field)
    if (raw) {
      const renamed = raw[1] === 'R' || raw[1] === 'C'
      if (renamed) i++
      const path = fields[i++] ?? ''
      files.set(path, { path, status: renamed ? 'renamed' : statusOf(raw[1]), additions: 0, deletions: 0 })
      continue
    }
    const counts = /^(\d+|-)\t(\d+|-)\t(.*)$/s.exec(field)
    if (!counts) continue
    const path = counts[3] || (fields[++i] ?? '')
    if (!counts[3]) i++
    const file = files.get(path)
    // `-` is a binary file.
    if (file) Object.assign(file, { additions: Number(counts[1]) || 0, deletions: Number(counts[2]) || 0 })
  }
  return [...files.values()]
}

const statusOf = (letter: string | undefined): ChangedFile['status'] =>
  letter === 'A' ? 'added' : letter === 'D' ? 'deleted' : 'modified'
