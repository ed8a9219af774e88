/** A PostgreSQL for one run of the benchmarks: the embedded one with its usual settings, gone afterwards. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { connect } from '../packages/server/src/database/connect.ts'
import { startEmbeddedPostgres, stopEmbeddedPostgres } from '../packages/server/src/database/embedded.ts'
import { migrate } from '../packages/server/src/database/migrate.ts'
import type { Bench } from './benchmark.ts'

export async function startPostgres(): Promise<AsyncDisposable & Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-bench-'))
  const places = { dataFolder: join(folder, 'data'), runFolder: join(folder, 'run') }
  const log = pino({ level: 'warn' })
  await mkdir(places.dataFolder)
  await mkdir(places.runFolder)
  const { url } = await startEmbeddedPostgres({ ...places, log })
  const pools: Pool[] = []
  const admin = connect(url)
  pools.push(admin)
  return {
    async openDatabase() {
      const own = new URL(url)
      own.pathname = `bench_${pools.length}`
      await admin.query(`create database ${own.pathname.slice(1)}`)
      const pool = connect(own.href)
      pools.push(pool)
      await migrate(pool)
      return { pool, url: own.href }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(pools.map((pool) => pool.end()))
      await stopEmbeddedPostgres({ ...places, log })
      await rm(folder, { recursive: true })
    },
  }
}
