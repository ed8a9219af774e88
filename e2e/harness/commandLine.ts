/** `corral` as its users run it: a process of its own, with the environment that is given and no other. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export type CommandEnd = { code: number | null; stdout: string; stderr: string }

export type RunningCommand = {
  process: ChildProcess
  /** Grows while the command runs. */
  output: { stdout: string; stderr: string }
  ended(withinMs?: number): Promise<CommandEnd>
}

type Place = {
  cwd: string
  env: Record<string, string>
  /** A file instead of `output.stderr`. */
  stderr?: number
}

/** What `npx corral` finds. */
const corral = fileURLToPath(new URL('../../node_modules/.bin/corral', import.meta.url))
const endMs = 90_000

export function startCommand(args: string[], { cwd, env, stderr }: Place): RunningCommand {
  const child = spawn(process.execPath, [corral, ...args], { cwd, env, stdio: ['ignore', 'pipe', stderr ?? 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  const closed = once(child, 'close')
  return {
    process: child,
    output,
    async ended(withinMs = endMs) {
      const timer = setTimeout(() => child.kill('SIGKILL'), withinMs)
      await closed
      clearTimeout(timer)
      return { code: child.exitCode, ...output }
    },
  }
}

export const runCommand = (args: string[], place: Place): Promise<CommandEnd> => startCommand(args, place).ended()
