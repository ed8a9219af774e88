/**
 * Runs one program to its end: bounded in time and output, in a process group of its own that is killed as a whole.
 * Never rejects for what the program does; its end is the answer.
 */
import { spawn } from 'node:child_process'
import { kill } from './processes.ts'

export type RunEnd = {
  /** `null` when it was killed or could not be started. */
  code: number | null
  stdout: string
  stderr: string
  /** `output`: stopped because stdout passed `maxBytes`. */
  stoppedBy: 'timeout' | 'abort' | 'output' | null
}

export type RunOptions = {
  command: string
  args: readonly string[]
  cwd: string
  environment: Record<string, string>
  timeoutMs: number
  /** Of stdout; more ends the program. Of stderr the last 64 KiB are kept. */
  maxBytes?: number
  input?: string
  signal?: AbortSignal
  onOutput?(chunk: Buffer, source: 'stdout' | 'stderr'): void
}

const stderrBytes = 64 * 1024

export function run(options: RunOptions): Promise<RunEnd> {
  const { maxBytes = 16 * 1024 * 1024, signal } = options
  return new Promise((resolve) => {
    const stdout: Buffer[] = []
    let stdoutBytes = 0
    let stderr = Buffer.alloc(0)
    let stoppedBy: RunEnd['stoppedBy'] = null
    const child = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: options.environment,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const stop = (why: RunEnd['stoppedBy']) => {
      stoppedBy ??= why
      if (child.pid !== undefined) kill(-child.pid)
    }
    const timer = setTimeout(() => stop('timeout'), options.timeoutMs)
    const onAbort = () => stop('abort')
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })

    child.stdin.on('error', () => undefined) // EPIPE of a program that does not read
    child.stdin.end(options.input)
    child.stdout.on('data', (chunk: Buffer) => {
      options.onOutput?.(chunk, 'stdout')
      if (options.onOutput) return
      const room = Math.max(0, maxBytes - stdoutBytes)
      stdout.push(chunk.length > room ? chunk.subarray(0, room) : chunk)
      stdoutBytes += chunk.length
      if (chunk.length > room) stop('output')
    })
    child.stderr.on('data', (chunk: Buffer) => {
      options.onOutput?.(chunk, 'stderr')
      stderr = Buffer.concat([stderr, chunk]).subarray(-stderrBytes)
    })
    const end = (code: number | null, failure = '') => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: failure || stderr.toString(), stoppedBy })
    }
    child.on('error', (error) => end(null, error.message))
    // A background child may hold the pipes open after the program's end; its output is not waited for.
    child.on('exit', (code) => {
      const closing = setTimeout(() => {
        child.stdout.destroy()
        child.stderr.destroy()
      }, 500)
      child.on('close', () => {
        clearTimeout(closing)
        end(code)
      })
    })
  })
}
