/**
 * The embedded PostgreSQL: made, started, adopted and stopped in a data folder whose lock the caller holds.
 *
 * It outlives the server: it leads a session of its own (no signal of our terminal or process group reaches it), holds
 * no pipe of ours, and the next server adopts it. It listens on one Unix socket, in a 0700 folder of PostgreSQL's user,
 * and asks for a password that lies in a 0600 file; other users of the machine, sandboxes too, get to neither.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, type FileHandle, mkdir, readFile, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import type { Logger } from 'pino'
import { dataFolderName } from '../host/runFolder.ts'
import { hasCode } from '../host/systemError.ts'
import { clusterVersion, databaseUser, giveToPostgres, makeCluster, openLog, readPassword } from './embeddedCluster.ts'
import {
  findPostgresPrograms,
  type PostgresFolders,
  type PostgresPrograms,
  postgresEnvironment,
} from './embeddedUser.ts'
import { hasEnded, type Postmaster, readPostmaster, removeReusedLock } from './postmaster.ts'

export type EmbeddedPostgres = { dataFolder: string; runFolder: string; log: Logger }

/** `absent`: nothing was made yet. The others are said by PostgreSQL itself; `starting` includes recovery after a crash. */
export type EmbeddedPostgresStatus = { state: 'absent' } | Postmaster

/** Recovery after a crash reads at most `max_wal_size`, 1 GB, and its time depends on the disk. */
const startTimeoutMs = 300_000
const connectTimeoutMs = 5_000
const pollMs = 10
const retryMs = 250

/** What is tried in turn to end it: the clean end, the end that needs recovery, and the end of a frozen process. */
const endings = [
  { signal: 'SIGINT', timeoutMs: 30_000 },
  { signal: 'SIGQUIT', timeoutMs: 10_000 },
  { signal: 'SIGKILL', timeoutMs: 5_000 },
] as const

/**
 * Returns when the database takes connections; `adopted` when it ran already. Repeating it is harmless, and mends an
 * embedded PostgreSQL that has died.
 *
 * @param settings PostgreSQL settings beside ours, e.g. `{ fsync: 'off' }` for data that nobody will miss.
 * @throws with a sentence for people, when it cannot be made or started here
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgres & { settings?: Record<string, string> },
): Promise<{ url: string; adopted: boolean }> {
  const { dataFolder, runFolder, log, settings = {} } = options
  const places = await findPlaces(dataFolder, runFolder)
  const deadline = Date.now() + startTimeoutMs
  let adopted = true
  while (Date.now() < deadline) {
    const status = await embeddedPostgresStatus(options)
    if (status.state === 'absent' || status.state === 'stopped') {
      if (await launch(places, { settings, deadline, log })) adopted = false
    } else if (status.state === 'ready') {
      const url = await urlOf(places.folders)
      const answer = await knock(url, status.pid)
      if (answer === 'open') return { url, adopted }
      if (answer === 'no socket') {
        log.warn({ pid: status.pid }, 'PostgreSQL runs but its socket was removed; it is started again')
        await stopEmbeddedPostgres(options)
      }
    }
    await delay(pollMs)
  }
  throw new Error(
    `PostgreSQL was not ready within ${startTimeoutMs / 1000} s. It may still be recovering from a crash; what it says is ` +
      `in ${join(places.folders.cluster, 'postgres.log')}. Start Corral again to go on waiting.`,
  )
}

/** Ends it in an orderly way if that can be had within 30 s; by force if not. Nothing to do when it does not run. */
export async function stopEmbeddedPostgres(options: EmbeddedPostgres): Promise<void> {
  const { name } = await findPlaces(options.dataFolder, options.runFolder)
  const status = await embeddedPostgresStatus(options)
  if (status.state === 'absent' || status.state === 'stopped') return
  for (const { signal, timeoutMs } of endings) {
    send(status.pid, signal)
    if (await hasEnded(status.pid, name, timeoutMs)) return
    options.log.warn({ pid: status.pid, signal }, `PostgreSQL did not end within ${timeoutMs / 1000} s`)
  }
  throw new Error(`PostgreSQL (process ${status.pid}) cannot be ended, not even by SIGKILL. Look at its disk.`)
}

export async function embeddedPostgresStatus(
  options: Pick<EmbeddedPostgres, 'dataFolder' | 'runFolder'>,
): Promise<EmbeddedPostgresStatus> {
  const { folders, name } = await findPlaces(options.dataFolder, options.runFolder)
  if ((await clusterVersion(folders.cluster)) === undefined) return { state: 'absent' }
  return readPostmaster(join(folders.cluster, 'data'), name)
}

type Places = { folders: PostgresFolders; name: string }

async function findPlaces(dataFolder: string, runFolder: string): Promise<Places> {
  const data = await realpath(dataFolder)
  const folders = { cluster: join(data, 'postgres'), sockets: join(runFolder, 'postgres') }
  return { folders, name: `corral-${dataFolderName(data)}` }
}

type Launch = { settings: Record<string, string>; deadline: number; log: Logger }

/** True when PostgreSQL was started here; false when its state is to be looked at again. */
async function launch({ folders, name }: Places, { settings, deadline, log }: Launch): Promise<boolean> {
  const programs = await findPostgresPrograms()
  await makeSocketFolder(folders.sockets, programs)
  const version = await clusterVersion(folders.cluster)
  if (version === undefined) {
    await makeCluster(folders, programs)
    log.info({ cluster: folders.cluster, version: programs.version }, 'made the data of PostgreSQL')
  } else {
    refuseOtherVersion(folders.cluster, version, programs.version)
    await giveToPostgres(folders.cluster, programs)
  }
  const data = join(folders.cluster, 'data')
  await removeReusedLock(data, name)

  const output = await openLog(folders.cluster)
  try {
    const saidBeforeBytes = (await output.stat()).size
    // Not pg_ctl: it hands its arguments to a shell, which a data folder with a `$` or `"` in its path would not survive.
    const child = await spawnDetached(
      programs.command('postgres', folders, (seen) => [
        ...['-D', join(seen.cluster, 'data')],
        ...Object.entries({ ...fixedSettings(seen, name), ...settings }).flatMap(([key, value]) => [
          '-c',
          `${key}=${value}`,
        ]),
      ]),
      output,
    )
    const hasExited = () => child.exitCode !== null || child.signalCode !== null
    while (!hasExited()) {
      if ((await readPostmaster(data, name)).state === 'ready') return true
      if (Date.now() >= deadline) return false
      await delay(pollMs)
    }
    if ((await readPostmaster(data, name)).state !== 'stopped') return false
    const all = await readFile(join(folders.cluster, 'postgres.log'))
    const said = all.subarray(saidBeforeBytes).toString('utf8').trim()
    if (said.includes('shared memory block')) {
      log.info('processes of a PostgreSQL that was killed are still about to end')
      await delay(retryMs)
      return false
    }
    throw new Error(`PostgreSQL did not start: ${said || `it ended with ${child.signalCode ?? child.exitCode}`}`)
  } finally {
    await output.close()
  }
}

async function spawnDetached([file = '', ...args]: string[], output: FileHandle): Promise<ChildProcess> {
  const child = spawn(file, args, {
    cwd: '/',
    env: postgresEnvironment,
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
  })
  child.unref()
  await once(child, 'spawn')
  return child
}

/** Given on the command line, so that they hold for data of any age; all else can be tuned in `postgresql.conf`. */
function fixedSettings({ sockets }: PostgresFolders, name: string): Record<string, string> {
  return {
    cluster_name: name,
    listen_addresses: '',
    port: '5432',
    unix_socket_directories: `"${sockets.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0600',
    // Errors of statements go to the caller, who logs them; here they would fill the disk, with the data in them.
    log_min_messages: 'log',
    log_checkpoints: 'off',
  }
}

/** Made anew each time: what a killed one left in it could hinder the next. */
async function makeSocketFolder(path: string, { fileOwner }: PostgresPrograms): Promise<void> {
  await rm(path, { recursive: true, force: true })
  await mkdir(path, { mode: 0o700 })
  if (process.getuid?.() === 0) await chown(path, fileOwner, fileOwner)
}

function refuseOtherVersion(cluster: string, found: string, ours: string): void {
  const major = ours.split('.')[0]
  if (found === major) return
  throw new Error(
    `${cluster} holds data of PostgreSQL ${found}, which PostgreSQL ${major} of this Corral cannot read. Start the ` +
      'Corral that made it, save the database with pg_dump, move that folder elsewhere, start this Corral and restore ' +
      `with psql; or set DATABASE_URL to a PostgreSQL ${found} of your own.`,
  )
}

/** `localhost` is there only because URLs need a host with a password; the socket's folder replaces it. */
async function urlOf({ cluster, sockets }: PostgresFolders): Promise<string> {
  const password = await readPassword(cluster)
  const query = new URLSearchParams({ host: sockets, port: '5432', sslmode: 'disable' })
  return `postgres://${databaseUser}:${password}@localhost/postgres?${query}`
}

/** Whether the one that says it is ready lets us in. */
async function knock(url: string, pid: number): Promise<'open' | 'not yet' | 'no socket'> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs })
  try {
    await client.connect()
    return 'open'
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ECONNREFUSED')) return 'no socket'
    if (hasCode(error, 'ECONNRESET', sqlState.cannotConnectNow)) return 'not yet'
    if (hasCode(error, sqlState.tooManyConnections)) return 'open'
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`PostgreSQL runs (process ${pid}) but does not let Corral in: ${reason}`, { cause: error })
  } finally {
    await client.end()
  }
}

const sqlState = { cannotConnectNow: '57P03', tooManyConnections: '53300' }

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error
  }
}
