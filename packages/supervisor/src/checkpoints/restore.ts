/**
 * Fetches what the server keeps of a session and brings it back: the files into a fresh checkout, the conversation into
 * the session's home. Done again after it was killed at any point, it comes to the same.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Checkpoint, SessionId } from '@corral/protocol'
import { PreparationFailed } from '../workspaces/failure.ts'
import { restoreHistory } from './history.ts'
import { CannotRestore, restoreWorkspace } from './restoreWorkspace.ts'
import { type CheckpointStore, StoreRefused } from './store.ts'

export async function restoreCheckpoint(options: {
  session: SessionId
  checkpoint: Checkpoint
  store: CheckpointStore
  /** The fresh checkout. */
  folder: string
  home: string
  shallow: boolean
  /** A folder of ours, emptied here. */
  scratch: string
  environment: Record<string, string>
  signal: AbortSignal
}): Promise<{ base: string | null }> {
  const { session, checkpoint, store, home, scratch, signal } = options
  const { bundle, ...described } = checkpoint.workspace
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(scratch, { recursive: true, mode: 0o700 })
  const bundlePath = join(scratch, 'work.bundle')
  const historyPath = join(scratch, 'history.zst')
  try {
    await store.get(session, bundle, bundlePath, signal)
    if (checkpoint.history) await store.get(session, checkpoint.history.database, historyPath, signal)
    await restoreWorkspace({ ...options, described, bundlePath })
    if (checkpoint.history) await restoreHistory({ agent: checkpoint.history.agent, path: historyPath }, home)
    return { base: described.base }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof CannotRestore) throw error
    if (error instanceof StoreRefused && error.status < 500) throw new CannotRestore(error.message)
    throw new PreparationFailed(
      'workspace_setup_failed',
      'What was kept of this session could not be fetched. Send a message to try again.',
    )
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
