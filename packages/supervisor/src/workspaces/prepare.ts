/**
 * Makes a session's workspace ready: a whole checkout on its branch, with its setup commands run. A whole checkout is
 * reused; a half-made one is made again. Ends in one `prepared`, whatever happens.
 */
import type { Checkpoint, PrepareParams, UpData } from '@corral/protocol'
import { CannotRestore } from '../checkpoints/restoreWorkspace.ts'
import { errorText, isDiskFull } from '../host/errorCode.ts'
import type { Log } from '../host/log.ts'
import { missingWarnings } from '../mcp/missing.ts'
import { writeMcpSettings } from '../mcp/settings.ts'
import type { SessionEnvironment } from '../sessions/environment.ts'
import type { OutputSink } from '../sessions/output.ts'
import type { Steps } from '../sessions/steps.ts'
import { cloneWorkspace } from './clone.ts'
import { PreparationFailed } from './failure.ts'
import { fastForward } from './fastForward.ts'
import { createGit } from './git.ts'
import { writeGitConfig } from './gitConfig.ts'
import { writeCargoConfig } from './registries.ts'
import { runSetup } from './setup.ts'
import { readStamp, type Stamp, writeStamp } from './stamp.ts'

export type Prepared = UpData['prepared']

export type PrepareOptions = {
  params: PrepareParams
  environment: SessionEnvironment
  gatewayOrigin: string
  steps: Steps
  output: OutputSink
  /** Brings a fresh checkout to where the session was. */
  restore(checkpoint: Checkpoint, folder: string): Promise<{ base: string | null }>
  signal: AbortSignal
  log: Log
}

/** Rejects only when `signal` is aborted. */
export async function prepareWorkspace(options: PrepareOptions): Promise<Prepared> {
  const { params, signal, log } = options
  const failed = (reason: Extract<Prepared, { ok: false }>['reason'], message: string): Prepared => ({
    ok: false,
    attempt: params.attempt,
    reason,
    message,
  })
  try {
    return await prepare(options)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof PreparationFailed) return failed(error.reason, error.message)
    log('error', 'the workspace could not be prepared', { session: params.session, error: errorText(error) })
    if (isDiskFull(error)) return failed('disk_full', 'The disk is full.')
    return failed('workspace_setup_failed', 'The workspace could not be prepared.')
  }
}

async function prepare(options: PrepareOptions): Promise<Prepared> {
  const { params, environment, gatewayOrigin, steps, output, signal } = options
  const { workspacePath, home, attempt } = params
  writeGitConfig(home, { repository: params.repository, author: params.author, token: params.gateway.token })
  writeCargoConfig(home, gatewayOrigin)
  const whole = readStamp(workspacePath)
  const reusable = whole?.branch === params.branch.name && whole.edition === params.edition ? whole : undefined
  const stamp = reusable ?? (await makeWorkspace(options))
  if (params.branch.kind === 'session' && (reusable || params.checkpoint)) {
    const git = createGit({ cwd: workspacePath, environment: environment(home) })
    await fastForward({ git, branch: params.branch.name, steps, signal })
  }
  if (!stamp.setUp) {
    writeMcpSettings(home, params.mcpServers)
    await runSetup({
      commands: params.setupCommands,
      workspacePath,
      environment: environment(home, params.environment),
      timeoutMs: params.timeouts.setupCommandMs,
      onFailure: params.setupFailure,
      steps,
      output,
      signal,
    })
    writeStamp(workspacePath, { ...stamp, setUp: true })
  }
  for (const warning of missingWarnings(params.mcpServers, params.environment)) steps.warn(warning)
  return { ok: true, attempt, branch: stamp.branch, baseCommit: stamp.baseCommit, reused: reusable !== undefined }
}

/** With what was kept of the session, as long as that fits to the repository. */
async function makeWorkspace(options: PrepareOptions): Promise<Stamp> {
  const { params, environment, steps, restore, signal, log } = options
  const make = { params, environment: environment(params.home), steps, signal }
  const { checkpoint } = params
  if (!checkpoint) return cloneWorkspace(make)
  try {
    return await cloneWorkspace({ ...make, restore: (folder) => restore(checkpoint, folder) })
  } catch (error) {
    if (!(error instanceof CannotRestore)) throw error
    log('warn', 'a checkpoint could not be used', { session: params.session, error: error.message })
    steps.warn('What was kept of the work does not fit to the repository any more; it begins anew from the repository.')
    return cloneWorkspace(make)
  }
}
