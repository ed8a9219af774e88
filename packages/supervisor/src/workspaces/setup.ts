/**
 * Runs the setup commands in the fresh workspace, one after the other: each its own step, bounded in time, its output
 * in the log without control sequences and bounded. What a command is and prints may be secret; messages tell its
 * number only.
 */

import { run } from '../host/run.ts'
import type { OutputSink } from '../sessions/output.ts'
import { createOutput } from '../sessions/output.ts'
import type { Steps } from '../sessions/steps.ts'
import { PreparationFailed } from './failure.ts'

export type SetupOptions = {
  commands: readonly string[]
  workspacePath: string
  environment: Record<string, string>
  timeoutMs: number
  onFailure: 'fail' | 'warn'
  steps: Steps
  output: OutputSink
  signal: AbortSignal
}

export async function runSetup(options: SetupOptions): Promise<void> {
  const { commands, steps, onFailure, signal } = options
  for (const [i, command] of commands.entries()) {
    const name = `Setup command ${i + 1} of ${commands.length}`
    try {
      await steps.run('setup', name, () => runOne(command, name, options), `setup-${i + 1}`)
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof PreparationFailed) || onFailure === 'fail') throw error
      steps.warn(`${error.message} The work goes on without it.`)
    }
  }
}

const commandVariable = 'CORRAL_SETUP_COMMAND'

async function runOne(command: string, name: string, options: SetupOptions): Promise<void> {
  const { workspacePath, environment, timeoutMs, signal } = options
  const output = createOutput(options.output)
  const end = await run({
    command: 'sh',
    // Arguments can be read by every process of the machine, and a command may hold a secret. What it starts does not
    // get the variable.
    args: ['-c', `command=$${commandVariable}; unset ${commandVariable}; eval "$command"`],
    cwd: workspacePath,
    environment: { ...environment, [commandVariable]: command },
    timeoutMs,
    signal,
    onOutput: output.write,
  })
  output.end()
  if (end.code === 0) return
  signal.throwIfAborted()
  const how =
    end.stoppedBy === 'timeout'
      ? `did not end within ${timeoutMs / 1000} s`
      : end.code === null
        ? 'was killed'
        : `ended with exit code ${end.code}`
  throw new PreparationFailed('setup_command_failed', `${name} ${how}.`)
}
