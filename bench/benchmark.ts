/** What a benchmark is: rows of figures, each measured several times beside its reference in the same run. */
import type { Pool } from 'pg'

export type Row = {
  what: string
  unit: string
  /** One figure for each run. */
  figures: number[]
  /** The same by the means that we compare ourselves with, measured by turns with ours. */
  reference?: { what: string; figures: number[] }
}

export type Bench = {
  /** A database of its own with the current schema, on a PostgreSQL that keeps its promises (fsync). */
  openDatabase(): Promise<Pool>
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
