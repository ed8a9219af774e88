/** What the parts of a session share: how it speaks, what it remembers, where its workspace is. */
import type { SessionId, UpEvent } from '@corral/protocol'
import { errorText } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
import { createGit, type Git } from '../workspaces/git.ts'
import type { SessionEnvironment } from './environment.ts'
import type { RecordFile } from './record.ts'

export type SessionContext = {
  id: SessionId
  record: RecordFile
  environment: SessionEnvironment
  /** The gateway's door. */
  gatewayOrigin: string
  /** False when the disk is full; what was being told is lost then, and the execution is ended. */
  emit(event: UpEvent): boolean
  log: Log
}

/** Work that was accepted and goes on by itself. */
export type Task = { abort: AbortController; done: Promise<void> }

/** Nothing that goes wrong in a task may end the supervisor, and with it everybody else's work. */
export function beginTask(
  { id, log }: SessionContext,
  name: string,
  work: (signal: AbortSignal) => Promise<void>,
): Task {
  const abort = new AbortController()
  const done = work(abort.signal).catch((error: unknown) => {
    if (!abort.signal.aborted) log('error', `${name} failed`, { session: id, error: errorText(error) })
  })
  return { abort, done }
}

export type PreparedWorkspace = { git: Git; workspacePath: string; base: string }

export function preparedWorkspace({ record, environment }: SessionContext): PreparedWorkspace | undefined {
  const { preparation } = record.value
  if (!preparation?.prepared?.ok) return undefined
  const { workspacePath, home, prepared } = preparation
  return {
    git: createGit({ cwd: workspacePath, environment: environment(home) }),
    workspacePath,
    base: prepared.baseCommit,
  }
}
