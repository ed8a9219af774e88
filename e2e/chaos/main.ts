/**
 * `npm run chaos [-- --seed N --minutes 30 --sessions 20 --agents 20]`: sessions work while something is killed, frozen
 * or cut, at random from a seed; then the checker looks at all of it. Ends with 1 when anything does not hold.
 * `--only link,agent` strikes these alone; `--scenario <name>` follows a script; `--keep <folder>` leaves there what it is
 * judged by; `--sabotage <name>` breaks a promise in a copy of these sources, and ends with 1 when nobody notices.
 */
import { BadArguments, readArguments } from './options.ts'
import { reportOf } from './report.ts'
import { type ChaosOptions, runChaos } from './run.ts'
import { prove } from './sabotage/prove.ts'

const begun = performance.now()
const say = (text: string) => console.log(`${((performance.now() - begun) / 1000).toFixed(1).padStart(7)} s  ${text}`)

async function run(options: ChaosOptions): Promise<number> {
  const { seed, forMs, sessions, agents } = options
  say(`seed ${seed}, ${forMs / 60_000} min, ${sessions} sessions, ${agents} agents at once`)
  const outcome = await runChaos(options, say)
  for (const line of reportOf(outcome)) console.log(line)
  console.log(`${outcome.violations.length} violations; seed ${seed}`)
  return outcome.violations.length === 0 ? 0 : 1
}

async function main(): Promise<number> {
  const asked = readArguments(process.argv.slice(2))
  switch (asked.what) {
    case 'run':
      return run(asked.options)
    case 'prove':
      return prove(asked.name, say)
    case 'list':
      for (const line of asked.lines) console.log(line)
      return 0
  }
}

const code = await main().catch((error: unknown) => {
  if (!(error instanceof BadArguments)) throw error
  console.error(error.message)
  return 2
})
process.exit(code)
