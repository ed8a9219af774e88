/**
 * One embedded PostgreSQL per test run, shared by all workers, started when the first test file asks for it.
 * Invariant: no run leaves one behind. A run ends its own, also when tests fail; one that was killed itself is cleaned
 * up by the next.
 */
import { once } from 'node:events'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { pino } from 'pino'
import type { TestProject } from 'vitest/node'
import { connect } from '../database/connect.ts'
import { startEmbeddedPostgres, stopEmbeddedPostgres } from '../database/embedded.ts'
import { migrate } from '../database/migrate.ts'
import { hasCode } from '../host/systemError.ts'
import { runSql, type TestServer, templateDatabase } from './postgres.ts'

declare module 'vitest' {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface can extend Vitest's own
  interface ProvidedContext {
    /** The socket on which the run tells where its PostgreSQL is. */
    testPostgresSocket: string
  }
}

const folderName = /^corral-test-postgres-(\d+)$/
const log = pino({ level: 'warn' })

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftovers()
  const folder = join(tmpdir(), `corral-test-postgres-${process.pid}`)
  await mkdir(placesIn(folder).runFolder, { recursive: true })
  await mkdir(placesIn(folder).dataFolder)

  let started: Promise<TestServer> | undefined
  const door = createServer(async (socket) => {
    socket.on('error', () => socket.destroy())
    started ??= startWithTemplate(folder).catch((error) => ({ error: inspect(error) }))
    socket.end(JSON.stringify(await started))
  })
  const path = join(folder, 'door.sock')
  door.listen(path)
  await once(door, 'listening')
  project.provide('testPostgresSocket', path)

  return async () => {
    door.close()
    await started
    await remove(folder)
  }
}

async function startWithTemplate(folder: string): Promise<TestServer> {
  // Nobody will miss this data after a power cut.
  const settings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }
  const { url } = await startEmbeddedPostgres({ ...placesIn(folder), log, settings })
  await runSql(url, `create database ${templateDatabase}`)
  const template = new URL(url)
  template.pathname = templateDatabase
  const pool = connect(template.href)
  await migrate(pool)
  await pool.end()
  return { url }
}

async function remove(folder: string): Promise<void> {
  await stopEmbeddedPostgres({ ...placesIn(folder), log })
  await rm(folder, { recursive: true, force: true })
}

const placesIn = (folder: string) => ({ dataFolder: join(folder, 'data'), runFolder: join(folder, 'run') })

async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(folderName.exec(name)?.[1])
    const folder = join(tmpdir(), name)
    if (pid > 0 && !isAlive(pid) && (await stat(folder)).uid === process.getuid?.()) await remove(folder)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !hasCode(error, 'ESRCH')
  }
}
