/**
 * When a session's work is brought to the server: after each turn and each finalization, one at a time, beside whatever
 * comes next. Invariants: what could not be brought stays due until it is; people are told what is left out, once; the
 * work itself never waits for it.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { type Checkpoint, failures } from '@corral/protocol'
import { CannotCapture } from '../checkpoints/bareGit.ts'
import { captureWorkspace } from '../checkpoints/captureWorkspace.ts'
import { captureHistory } from '../checkpoints/history.ts'
import { blobOf, type CheckpointStore, StoreRefused } from '../checkpoints/store.ts'
import { errorText, isDiskFull } from '../host/errorCode.ts'
import { beginTask, preparedWorkspace, type SessionContext, type Task } from './context.ts'

export type Checkpointing = {
  /** A turn or a finalization is over. */
  changed(): void
  /** The server can be reached again. */
  connected(): void
  /** The last chance before the sandbox ends. */
  finish(): Promise<void>
  /** Nobody needs it any more. */
  cancel(): Promise<void>
}

const againAfterMs = 10_000
/** Of the grace that a sandbox has. */
const finishMs = 3_000
const namedAtMost = 10

export function createCheckpointing(options: {
  context: SessionContext
  store: CheckpointStore
  scratch: string
}): Checkpointing {
  const { context, store, scratch } = options
  const { id, record, emit, log } = context
  let current: Task | null = null
  /** Counts changes, so that one that comes while the work is brought is not taken for brought. */
  let changes = record.value.unkept ? 1 : 0
  let brought = 0
  let told = ''
  let timer: NodeJS.Timeout | undefined

  const isDue = () => changes !== brought

  function begin(): void {
    clearTimeout(timer)
    if (current || !isDue()) return
    const task = beginTask(context, 'a checkpoint', async (signal) => {
      const upTo = changes
      const end = await bring(signal).catch((error: unknown) => failure(error, signal))
      current = null
      if (end === 'later') {
        timer = setTimeout(begin, againAfterMs)
        timer.unref()
        return
      }
      brought = upTo
      // A turn that has begun meanwhile is not in it.
      if (!isDue() && record.value.running === null) record.update({ unkept: false })
      begin()
    })
    current = task
  }

  async function bring(signal: AbortSignal): Promise<'done' | 'later'> {
    const workspace = preparedWorkspace(context)
    const home = record.value.preparation?.home
    if (!workspace || !home) return 'later'
    rmSync(scratch, { recursive: true, force: true })
    mkdirSync(scratch, { recursive: true, mode: 0o700 })
    try {
      const environment = environmentOf(home)
      const { workspacePath, base } = workspace
      const work = await captureWorkspace({ workspacePath, base, scratch, environment, signal })
      const history = await captureHistory(home, scratch)
      const leftOut = [...work.leftOut, ...(history === 'too_large' ? ["the agent's history"] : [])]
      const bundle = await blobOf(work.bundlePath)
      await store.put(id, bundle, work.bundlePath)
      const complete = leftOut.length === 0
      const checkpoint: Checkpoint = { complete, workspace: { ...work.described, bundle }, history: null }
      if (history && history !== 'too_large') {
        const database = await blobOf(history.path)
        await store.put(id, database, history.path)
        checkpoint.history = { agent: history.agent, database }
      }
      await store.record(id, checkpoint)
      if (!complete) tell(`Not kept for a new sandbox: ${listOf(leftOut)}.`)
      return 'done'
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
  }

  /** Not marked as the session's own, which nobody would wait for. */
  function environmentOf(home: string): Record<string, string> {
    const { SESSION_ID: _, ...others }: Record<string, string> = context.environment(home)
    return { ...others, CORRAL_CHECKPOINT: id }
  }

  function failure(error: unknown, signal: AbortSignal): 'done' | 'later' {
    if (signal.aborted) return 'later'
    log('warn', 'a checkpoint could not be made', { session: id, error: errorText(error) })
    if (error instanceof CannotCapture) return tell(`${notKept} ${error.message}`)
    if (isDiskFull(error)) return tell(`${notKept} ${failures.disk_full.sentence}`)
    if (error instanceof StoreRefused && error.status === 413) return tell(`${notKept} It is too large.`)
    if (error instanceof StoreRefused && error.status === 507) {
      tell(`${notKept} The disk of the server is full.`)
      return 'later'
    }
    // A session that is not this sandbox's any more is nobody's loss.
    if (error instanceof StoreRefused && error.status === 404) return 'done'
    return 'later'
  }

  function tell(message: string): 'done' {
    if (message !== told) emit({ type: 'status', data: { message: message.slice(0, 2000), level: 'warning' } })
    told = message
    return 'done'
  }

  return {
    changed() {
      changes++
      begin()
    },
    connected: begin,
    async finish() {
      clearTimeout(timer)
      begin()
      const limit = setTimeout(() => current?.abort.abort(), finishMs)
      await current?.done
      clearTimeout(limit)
      clearTimeout(timer)
    },
    async cancel() {
      brought = changes
      current?.abort.abort()
      await current?.done
      clearTimeout(timer)
    },
  }
}

const notKept = 'The work of this session could not be kept outside of its sandbox.'

const listOf = (names: string[]): string =>
  names.length <= namedAtMost
    ? names.join(', ')
    : `${names.slice(0, namedAtMost).join(', ')} and ${names.length - namedAtMost} more`
