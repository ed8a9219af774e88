/** `corral` at a terminal that the program `script` lends, so that somebody can type. */
import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Installation } from './installation.ts'

const corral = fileURLToPath(new URL('../../node_modules/.bin/corral', import.meta.url))

/** Null where there is no such program. */
export function startAtTerminal(
  { folder, home, url }: Pick<Installation, 'folder' | 'home' | 'url'>,
  args: string[],
  env: Record<string, string> = {},
) {
  if (spawnSync('script', ['--version']).status !== 0) return null
  const words = [process.execPath, corral, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', words.join(' '), '/dev/null'], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TERM: 'dumb', CORRAL_HOME: home, CORRAL_URL: url, ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    shown: () => shown,
    type: (text: string) => child.stdin.write(text),
    ended,
    kill: () => child.kill('SIGKILL'),
  }
}
