/**
 * `npm run bench [-- <name> …]`: all benchmarks, or those that are named; prints one table and keeps it after each, so
 * that a run that is broken off has kept what it had. `pictures` draws what was kept.
 */
import { agentFeed } from './agentFeed.ts'
import { append } from './append.ts'
import type { Benchmark } from './benchmark.ts'
import { crowd } from './crowd.ts'
import { crowdedDatabase } from './crowdedDatabase.ts'
import { fanOut } from './fanOut.ts'
import { latency } from './latency.ts'
import { link } from './link.ts'
import { memory } from './memory.ts'
import { page } from './page.ts'
import { draw } from './pictures.ts'
import { startPostgres } from './postgres.ts'
import { replay } from './replay.ts'
import { type Kept, keep, occasion, table } from './results.ts'
import { start } from './start.ts'

/** Replay comes first: it looks at the memory that the process takes, which the others have taken already. */
const benchmarks: Benchmark[] = [
  replay,
  append,
  latency,
  link,
  fanOut,
  agentFeed,
  start,
  crowdedDatabase,
  memory,
  crowd,
  page,
]

const known = benchmarks.map(({ name }) => name)
const names = process.argv.slice(2)
const unknown = names.filter((name) => ![...known, 'pictures'].includes(name))
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}. There are: ${known.join(', ')}; and pictures.`)
  process.exit(2)
}

const chosen = benchmarks.filter(({ name }) => names.length === 0 || names.includes(name))
if (chosen.length > 0) await measure(chosen)
if (names.length === 0 || names.includes('pictures')) await draw()

async function measure(those: readonly Benchmark[]): Promise<void> {
  await using postgres = await startPostgres()
  const all: Kept[] = []
  for (const benchmark of those) {
    const when = occasion(benchmark.name)
    console.error(`measuring ${benchmark.name}, at a load of ${when.load?.toFixed(1)} …`)
    const rows = (await benchmark.run(postgres)).map((row) => ({ ...row, ...when }))
    await keep(rows, known)
    all.push(...rows)
  }
  console.log(table(all))
}
