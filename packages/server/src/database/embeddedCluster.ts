/**
 * The files of the embedded PostgreSQL: `<data folder>/postgres/{data,password,postgres.log}`.
 * Invariant: that folder is there only when it is complete, for it is made under another name, synced and renamed.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmod,
  copyFile,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { isThere } from '../host/isThere.ts'
import { hasCode } from '../host/systemError.ts'
import { accountsFile, type PostgresFolders, type PostgresPrograms, postgresEnvironment } from './embeddedUser.ts'

export const databaseUser = 'corral'

const maxLogBytes = 10 * 1024 * 1024
const makeTimeoutMs = 120_000
const unfinished = 'postgres.new-'

const run = promisify(execFile)

/** The major version that the data is of; undefined when there is no data yet. */
export async function clusterVersion(cluster: string): Promise<string | undefined> {
  const version = await readIfThere(join(cluster, 'data', 'PG_VERSION'))
  if (version !== undefined) return version.trim()
  if (await isThere(cluster)) {
    throw new Error(`${cluster} exists but holds no PostgreSQL data. Move it elsewhere, and Corral makes a new one.`)
  }
  return undefined
}

export function readPassword(cluster: string): Promise<string> {
  return readFile(join(cluster, 'password'), 'utf8')
}

export async function makeCluster({ cluster, sockets }: PostgresFolders, programs: PostgresPrograms): Promise<void> {
  const dataFolder = dirname(cluster)
  // A new name each time: the initdb of a killed server may still be at work in the folder that is removed here.
  for (const name of await readdir(dataFolder)) {
    if (name.startsWith(unfinished)) {
      await rm(join(dataFolder, name), { recursive: true, maxRetries: 10, retryDelay: 100 })
    }
  }
  const making = join(dataFolder, unfinished + randomBytes(4).toString('hex'))
  // The folder stays ours, so that nothing can be slipped in for the log; PostgreSQL passes through it to what is its own.
  await mkdir(making)
  await chmod(making, 0o711)
  await mkdir(join(making, 'data'), { mode: 0o700 })
  await writeFile(join(making, 'password'), randomBytes(24).toString('base64url'), { mode: 0o600, flush: true })
  const accounts = join(making, accountsFile)
  await writeFile(accounts, `${databaseUser}:x:${programs.fileOwner}:${programs.fileOwner}::/:/bin/false\n`)
  await chmod(accounts, 0o644)
  await giveToPostgres(making, programs)

  const [file = '', ...args] = programs.command('initdb', { cluster: making, sockets }, (seen) => [
    `--pgdata=${seen.cluster}/data`,
    `--username=${databaseUser}`,
    `--pwfile=${seen.cluster}/password`,
    '--auth=scram-sha-256',
    // PostgreSQL's own C.UTF-8: the same order on every system, whatever locales it has.
    ...['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    '--no-instructions',
  ])
  try {
    await run(file, args, { cwd: '/', env: postgresEnvironment, timeout: makeTimeoutMs })
  } catch (error) {
    await rm(making, { recursive: true, force: true })
    throw new Error(`PostgreSQL could not make its data in ${dataFolder}: ${lastLines(error)}`, { cause: error })
  }
  await rm(accounts)
  await syncFolder(making)
  await rename(making, cluster)
  await syncFolder(dataFolder)
}

/** PostgreSQL starts only on data that belongs to its user; that changes when Corral is started another way than before. */
export async function giveToPostgres(cluster: string, { fileOwner }: PostgresPrograms): Promise<void> {
  const data = join(cluster, 'data')
  const owner = (await stat(data)).uid
  if (owner === fileOwner) return
  if (process.getuid?.() !== 0) {
    throw new Error(`${data} belongs to the user with the id ${owner}. Start Corral as that user, or give it to yours.`)
  }
  await run('chown', ['-R', `${fileOwner}:${fileOwner}`, join(cluster, 'password'), data], { timeout: makeTimeoutMs })
}

/** PostgreSQL's log, opened for appending; cut when it has grown too large, with one older copy kept. */
export async function openLog(cluster: string): Promise<FileHandle> {
  const path = join(cluster, 'postgres.log')
  const log = await open(path, 'a', 0o600)
  if ((await log.stat()).size > maxLogBytes) {
    await copyFile(path, `${path}.1`)
    await truncate(path)
  }
  return log
}

function lastLines(error: unknown): string {
  const output = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
  return output || String(error)
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
