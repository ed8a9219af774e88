/**
 * The shell that agents start for their tools: the real one, behind a program of ours. Invariants: a shell that a signal
 * has ended is seen as one that exited with 128 and its number, since OpenCode 1.18.33 waits for ever for the exit code of
 * one that has none; and from its first moment the kernel ends it, and what it starts, before an agent.
 */
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '../host/replaceFile.ts'
import { oomScores } from '../limits/oomScores.ts'

const shells = ['/bin/bash', '/usr/bin/bash', '/bin/sh']

/** Agents know by a shell's name how to speak to it, so ours has the name of the real one. */
export function makeToolShell(folder: string): string {
  const real = shells.find((path) => existsSync(path)) ?? '/bin/sh'
  const path = join(folder, real.endsWith('bash') ? 'bash' : 'sh')
  mkdirSync(folder, { recursive: true })
  replaceFile(path, scriptOf(real), { mode: 0o755 })
  chmodSync(path, 0o755)
  return path
}

// Not the last command, so that `sh` stays to tell how it ended. What it cannot raise is high already.
const scriptOf = (real: string): string => `#!/bin/sh
{ echo ${oomScores.tool} >/proc/self/oom_score_adj; } 2>/dev/null
SHELL=${real} ${real} "$@"
exit
`
