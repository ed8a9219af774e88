/**
 * `corral terminal`: a shell in a session's sandbox, here. What comes from the sandbox reaches this terminal as it is, as
 * over ssh: whoever opens one trusts the sandbox with it.
 */
import type { CorralTerminal, TerminalItem } from '@corral/client'
import { ptyIdSchema, type TerminalSize } from '@corral/protocol'
import type { Command } from 'commander'
import { CliError } from '../cliError.ts'
import { connect } from '../connection.ts'
import { createTerminal } from '../terminal.ts'
import { sessionOf } from './sessionArgument.ts'

/** Ctrl-]: leaves, and the shell stays for five minutes. */
const leaveKey = 0x1d

export function addTerminalCommand(program: Command, env: NodeJS.ProcessEnv): void {
  program
    .command('terminal')
    .description('a shell in the sandbox of a session; Ctrl-] leaves it')
    .argument('<session>', 'its id')
    .argument('[terminal]', 'one that is open, to go on in it')
    .action(async (given: string, known: string | undefined) => {
      const { stdin, stdout } = process
      if (!stdin.isTTY || !stdout.isTTY) {
        throw new CliError('This needs a terminal.', 'input or output is redirected', 'run it by hand')
      }
      const { corral } = await connect(env)
      const session = sessionOf(given)
      const ptyId = known === undefined ? null : ptyIdSchema.parse(known)
      const terminal = await corral.terminal(session, ptyId === null ? { size: sizeOf(stdout) } : { ptyId })
      process.exitCode = await showHere(terminal, `corral terminal ${session} ${terminal.ptyId}`)
    })
}

/** The exit code of its shell; 0 when it goes on without us. */
async function showHere(terminal: CorralTerminal, again: string): Promise<number> {
  const { stdin, stdout } = process
  const { note } = createTerminal({ json: false })
  const leaving = new AbortController()
  const typed = (bytes: Buffer) => {
    if (bytes.includes(leaveKey)) leaving.abort()
    else terminal.write(new Uint8Array(bytes))
  }
  const resized = () => void terminal.resize(sizeOf(stdout)).catch(() => note('Its size could not be changed.'))
  stdin.setRawMode(true)
  stdin.on('data', typed)
  stdout.on('resize', resized)
  try {
    for await (const item of terminal.output({ signal: leaving.signal })) {
      if (item.kind === 'output') await written(stdout, item.bytes)
      else if (item.kind === 'disconnected') note('The connection is gone; taking it up again.')
      else if (item.kind === 'attached') resized()
      else return ended(item, note)
    }
    note(`It goes on without you for five minutes: ${again}`)
    return 0
  } finally {
    stdin.off('data', typed)
    stdout.off('resize', resized)
    stdin.setRawMode(false)
    stdin.pause()
  }
}

function ended({ reason, exitCode }: Extract<TerminalItem, { kind: 'ended' }>, note: (text: string) => void): number {
  if (reason !== 'exited') note(`The terminal is over: ${sentences[reason]}.`)
  return exitCode ?? 1
}

const sentences = {
  closed: 'it was closed',
  idle: 'nobody typed for half an hour',
  unattended: 'nobody looked at it',
  released: 'its session is no longer in this sandbox',
  stopped: 'its sandbox was stopped',
  taken: 'somebody else looks at it now',
  lost: 'its sandbox is not there any more',
} satisfies Record<Exclude<Extract<TerminalItem, { kind: 'ended' }>['reason'], 'exited'>, string>

/** A terminal that is slow makes the sandbox wait. */
const written = (stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve) => stream.write(bytes, () => resolve()))

const between = (least: number, value: number, most: number) => Math.min(most, Math.max(least, value))
const sizeOf = ({ columns, rows }: NodeJS.WriteStream): TerminalSize => ({
  cols: between(2, columns, 500),
  rows: between(2, rows, 200),
})
