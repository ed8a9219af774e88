/**
 * Shows that the checker can fail: a copy of these sources breaks a promise, chaos runs on it with one seed after the
 * other, and a rule has to find it.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { copyWith } from './copy.ts'
import { type SabotageName, sabotages } from './sabotages.ts'

const seeds = [1, 2, 3, 4, 5]

/** 0 when it was found. */
export async function prove(name: SabotageName, say: (text: string) => void): Promise<number> {
  const sabotage = sabotages[name]
  say(`broken: ${sabotage.says}`)
  await using copy = await copyWith(sabotage)
  for (const seed of seeds) {
    const { only, minutes, sessions } = sabotage.run
    const args = { '--seed': seed, '--minutes': minutes, '--sessions': sessions, '--only': only.join() }
    const { code, output } = await runIn(copy.folder, Object.entries(args).flat().map(String))
    const violations = output.split('\n').filter((line) => line.startsWith('VIOLATION '))
    const found = violations.filter((line) => sabotage.foundBy.some((rule) => line.startsWith(`VIOLATION ${rule}:`)))
    say(
      `seed ${seed}: ended with ${code}, ${violations.length} violations, ${found.length} of them by the rules that may`,
    )
    for (const line of found.slice(0, 5)) say(`  ${line.slice(0, 300)}`)
    if (found.length > 0) return 0
    if (violations.length === 0 && code !== 0)
      throw new Error(`The run did not come to its end:\n${output.slice(-2_000)}`)
  }
  say(`NOT FOUND with the seeds ${seeds.join()}`)
  return 1
}

function runIn(folder: string, args: string[]): Promise<{ code: number; output: string }> {
  const main = join(folder, 'e2e', 'chaos', 'main.ts')
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { cwd: folder, maxBuffer: 64 * 1024 ** 2 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr }),
    )
  })
}
