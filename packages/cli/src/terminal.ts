/**
 * Where output goes: results to stdout, everything else to stderr, so that a pipe gets the result alone. Colors only
 * on a terminal.
 */
import { styleText } from 'node:util'

export type Terminal = {
  /** A person watches: results may be shown as they grow. */
  live: boolean
  json: boolean
  /** A piece of the result. */
  result(text: string): void
  /** A line for people. */
  note(text: string): void
  /** Starts a new line if the last output did not end one. */
  freshLine(): void
}

export function createTerminal(options: { json: boolean }): Terminal {
  let atLineStart = true
  const write = (stream: NodeJS.WriteStream, text: string) => {
    if (text === '') return
    stream.write(text)
    atLineStart = text.endsWith('\n')
  }
  const freshLine = () => {
    if (!atLineStart) write(process.stdout.isTTY ? process.stdout : process.stderr, '\n')
  }
  return {
    live: process.stdout.isTTY === true && !options.json,
    json: options.json,
    result: (text) => write(process.stdout, text),
    note(text) {
      freshLine()
      write(process.stderr, `${text}\n`)
    },
    freshLine,
  }
}

type Style = Parameters<typeof styleText>[0]

export function color(style: Style, text: string): string {
  return process.stderr.isTTY || process.stdout.isTTY ? styleText(style, text) : text
}
