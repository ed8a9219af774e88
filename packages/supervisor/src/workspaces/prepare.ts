/**
 * Makes a session's workspace ready: a whole checkout on its branch, with its setup commands run. A whole checkout is
 * reused; a half-made one is made again. Ends in one `prepared`, whatever happens.
 */
import type { PrepareParams, UpData } from '@corral/protocol'
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
import { readStamp, writeStamp } from './stamp.ts'

export type Prepared = UpData['prepared']

export type PrepareOptions = {
  params: PrepareParams
  environment: SessionEnvironment
  gatewayOrigin: string
  steps: Steps
  output: OutputSink
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
  if (reusable && params.branch.kind === 'session') {
    const git = createGit({ cwd: workspacePath, environment: environment(home) })
    await fastForward({ git, branch: params.branch.name, steps, signal })
  }
  const stamp = reusable ?? (await cloneWorkspace({ params, environment: environment(home), steps, signal }))
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
