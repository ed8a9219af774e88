/** `npm run bench [-- <name> …]`: all benchmarks, or those that are named; prints one table and keeps it. */
import { agentFeed } from './agentFeed.ts'
import { append } from './append.ts'
import type { Benchmark, Row } from './benchmark.ts'
import { crowd } from './crowd.ts'
import { fanOut } from './fanOut.ts'
import { latency } from './latency.ts'
import { page } from './page.ts'
import { startPostgres } from './postgres.ts'
import { replay } from './replay.ts'
import { keep, table } from './results.ts'
import { start } from './start.ts'

/** Replay comes first: it looks at the memory that the process takes, which the others have taken already. */
const benchmarks: Benchmark[] = [replay, append, latency, fanOut, agentFeed, start, crowd, page]

const names = process.argv.slice(2)
const unknown = names.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name))
if (unknown.length > 0) {
  const known = benchmarks.map((benchmark) => benchmark.name).join(', ')
  console.error(`There is no benchmark ${unknown.join(', ')}. There are: ${known}.`)
  process.exit(2)
}

await using postgres = await startPostgres()
const rows: Row[] = []
for (const benchmark of benchmarks) {
  if (names.length > 0 && !names.includes(benchmark.name)) continue
  console.error(`measuring ${benchmark.name} …`)
  rows.push(...(await benchmark.run(postgres)))
}
console.log(table(rows))
await keep(rows)
