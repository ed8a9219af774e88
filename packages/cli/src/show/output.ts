/** The result of a command: text for people, or with `--json` the answer itself. */
import type { Terminal } from '../terminal.ts'
import { safeJson } from './safeText.ts'

export function output(out: Terminal, value: unknown, text: () => string): void {
  out.result(out.json ? `${safeJson(value, 2)}\n` : text())
}
