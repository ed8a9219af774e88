/** What a session has to do and what it has changed, as the SDKs have it. */
import type { SessionDiff } from '@corral/protocol'

/**
 * The change since the session's start, by file. It is Corral's own: agents in the cloud keep no snapshots. `patch` is
 * missing where the whole was cut before it.
 */
export function fileDiffs({ files, patch }: SessionDiff) {
  const patches = patchesByFile(patch)
  return files.map(({ path, status, additions, deletions }) => ({
    file: path,
    ...(patches.has(path) && { patch: patches.get(path) }),
    additions,
    deletions,
    // The SDKs know no renaming.
    status: status === 'renamed' ? 'modified' : status,
  }))
}

/** A unified diff of git, cut where its files begin. */
function patchesByFile(patch: string): Map<string, string> {
  const pieces = patch.split(/^(?=diff --git )/m).filter((piece) => piece !== '')
  return new Map(pieces.flatMap((piece) => (nameIn(piece) === null ? [] : [[nameIn(piece) ?? '', piece]])))
}

/** The name after the change; before it where the file is gone. */
function nameIn(piece: string): string | null {
  const after = /^\+\+\+ b\/(.*)$/m.exec(piece)?.[1] ?? /^rename to (.*)$/m.exec(piece)?.[1]
  return after ?? /^--- a\/(.*)$/m.exec(piece)?.[1] ?? /^diff --git a\/.* b\/(.*)$/m.exec(piece)?.[1] ?? null
}
