/**
 * A shell on a pseudo-terminal, which the program `script` of util-linux lends: the supervisor is one file without native
 * code, and Node alone makes no terminals. Invariants: what is not read makes the shell wait, and what the shell does not
 * read makes the writer wait; `end` leaves nothing of it that runs. Source: docs/decisions/terminals.md.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { TerminalSize } from '@corral/protocol'
import { endProcesses, kill } from '../host/processes.ts'
import { run } from '../host/run.ts'

export type Pty = {
  output: Readable
  input: Writable
  /** The shell has ended, and all that it wrote was read. Null: it was killed. */
  ended: Promise<number | null>
  /** Of several that come at once, the last one counts. */
  resize(size: TerminalSize): void
  end(): Promise<void>
}

/** The sandbox has no `script`, or cannot start it now. */
export class NoTerminal extends Error {}

const shells = ['/bin/bash', '/usr/bin/bash', '/bin/sh']
const resizeTimeoutMs = 5_000
/** A shell that loses its terminal writes its history. */
const hangUpMs = 300
const devicePattern = /^(\/dev\/pts\/\d+)\n/

export async function openPty(options: {
  /** In the environment of everything that runs in it, and of nothing else. */
  mark: string
  cwd: string
  environment: Record<string, string>
  size: TerminalSize
}): Promise<Pty> {
  const { mark, cwd, size } = options
  const shell = shells.find((path) => existsSync(path)) ?? '/bin/sh'
  const [name = '', value = ''] = mark.split('=')
  const environment = {
    ...options.environment,
    [name]: value,
    ...{ TERM: 'xterm-256color', COLORTERM: 'truecolor', SHELL: shell, PS1: '\\w\\$ ' },
  }
  // Without a terminal of its own, `script` knows no size and no echo to copy. Descriptor 3 tells which device it is.
  const opening = `stty sane rows ${size.rows} cols ${size.cols}; tty >&3; exec 3>&-; exec ${shell} -i`
  const child = spawn('script', ['-qefc', opening, '/dev/null'], {
    cwd,
    env: environment,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore', 'pipe'],
  })
  const { stdin: input, stdout: output } = child
  if (!input || !output) throw new NoTerminal('script was started without its pipes')
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve))
  const { pid } = await new Promise<{ pid: number }>((resolve, reject) => {
    child.once('error', (error) => reject(new NoTerminal(`script cannot be started: ${error.message}`)))
    child.once('spawn', () => resolve({ pid: child.pid ?? 0 }))
  })
  input.on('error', () => undefined) // EPIPE of a shell that has ended
  const device = deviceOf(child.stdio[3])

  let wanted: TerminalSize | null = null
  let resized = Promise.resolve()
  async function applySize(): Promise<void> {
    const path = await device
    if (!path || !wanted) return
    const { rows, cols } = wanted
    wanted = null
    const args = ['-F', path, 'rows', String(rows), 'cols', String(cols)]
    await run({ command: 'stty', args, cwd: '/', environment, timeoutMs: resizeTimeoutMs })
  }

  return {
    output,
    input,
    ended: closed,
    resize(next) {
      wanted = next
      resized = resized.then(applySize)
    },
    async end() {
      kill(pid)
      output.destroy()
      await Promise.race([closed, delay(hangUpMs)])
      await endProcesses(mark)
    },
  }
}

/** Null when it ends without saying. */
function deviceOf(stream: unknown): Promise<string | null> {
  return new Promise((resolve) => {
    if (!isReadable(stream)) return resolve(null)
    stream.on('error', () => resolve(null))
    stream.on('close', () => resolve(null))
    stream.on('data', (said) => resolve(devicePattern.exec(String(said))?.[1] ?? null))
  })
}

const isReadable = (stream: unknown): stream is Readable =>
  typeof stream === 'object' && stream !== null && 'resume' in stream
