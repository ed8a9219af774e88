/** What a benchmark is: rows of figures, each measured several times beside its reference in the same run. */
import type { Pool } from 'pg'

export type Row = {
  what: string
  unit: string
  /** One figure for each run. */
  figures: number[]
  /** The same by the means that we compare ourselves with, measured by turns with ours; or why it is not there. */
  reference?: { what: string; figures: number[] } | { absent: string }
  target?: Target
  /** Where in a picture its median stands; the points of one series are connected. */
  point?: { picture: PictureName; series: string; x: number }
}

/** What a row is to reach. */
export type Target = {
  of: 'median' | 'ratio'
  atLeast?: number
  atMost?: number
  /** So many of the unit may come on top of what the ratio allows. */
  plus?: number
}

export const pictureNames = ['latency-against-load', 'cost-against-history'] as const
export type PictureName = (typeof pictureNames)[number]

export type Bench = {
  /** A database of its own with the current schema, on a PostgreSQL that keeps its promises (fsync). */
  openDatabase(): Promise<{ pool: Pool; url: string }>
}

export type Benchmark = {
  /** As in `npm run bench -- <name>`. */
  name: string
  run(bench: Bench): Promise<Row[]>
}

const runs = 5

/** Runs each of `measured` five times, by turns, after a warm-up that does not count. */
export async function byTurns<Name extends string>(
  measured: Record<Name, () => Promise<number>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(measured) as Name[]
  const figures = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (const name of names) await measured[name]()
  for (let run = 0; run < runs; run++) {
    for (const name of names) figures[name].push(await measured[name]())
  }
  return figures
}

/** The value below which `share` of the figures are, 0 to 1. */
export function percentile(figures: readonly number[], share: number): number {
  const sorted = figures.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export const median = (figures: readonly number[]): number => percentile(figures, 0.5)

/** Of several measurements of many figures each, the first of which was the warm-up: what they had in the middle, and at most but for one in a hundred. */
export const shares = [
  { name: 'median', of: (runs: number[][]) => runs.slice(1).map(median) },
  { name: 'p99', of: (runs: number[][]) => runs.slice(1).map((figures) => percentile(figures, 0.99)) },
] as const

/** How often a second, when `run` does it `count` times. */
export async function perSecond(count: number, run: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await run()
  return count / ((performance.now() - start) / 1000)
}
