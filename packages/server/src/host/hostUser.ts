// Host users: ids of their own, without an account, under which a root server runs what it does not trust or what refuses root.
// Invariant: the process keeps no group, no capability and no way to gain either. Who gets which id: `newHostUser.ts`.
import { readFileSync } from 'node:fs'

/** The first id behind those that systemd gives to containers, and the last before its range for foreign images. */
export const firstHostUser = 1_879_048_192
export const lastHostUser = 2_147_352_575

/** In the private mount namespace of `asHostUser` this is an empty tmpfs, so targets leave nothing behind on the host. */
export const hostBindRoot = '/run/corral-binds'

export type HostBind = { source: string; target: string }
export type HostUser = { uid: number; gid: number; binds: HostBind[] }

// `umask` holds for the made folders alone: the command keeps the caller's.
const script = `set -eu
made() (umask 022; mkdir -p "$1")
root=$1; shift
made "$root"
mount -t tmpfs -o mode=755,size=1m tmpfs "$root"
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then made "$2"; else made "\${2%/*}"; : > "$2"; fi
  mount --bind "$1" "$2"
  shift 2
done
shift
cd /
exec "$@"`

/**
 * The argument vector that runs `command` as a host user. Files and folders it must reach although they lie below a
 * private folder (a 0700 home) are bound at `target`, below `hostBindRoot`, where only this command sees them. It runs
 * in `/`, since it may have no right to the caller's working folder.
 * Needs `hostUserIdsUsable()`. Every link of the chain is an `exec`: the process id is the command's own.
 */
export function asHostUser({ uid, gid, binds }: HostUser, command: string[]): string[] {
  const stray = binds.find(({ target }) => !target.startsWith(`${hostBindRoot}/`))
  if (stray) throw new RangeError(`The bind target ${stray.target} is not below ${hostBindRoot}.`)
  return [
    ...['unshare', '--mount', '--propagation', 'private', '--'],
    ...['sh', '-c', script, 'corral-host-user', hostBindRoot],
    ...binds.flatMap(({ source, target }) => [source, target]),
    ...['--', 'setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs', '--'],
    ...command,
  ]
}

/** Whether this process may run something as a host user: root, with the needed capabilities, and the ids are mapped. */
export function hostUserIdsUsable(): boolean {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return false
  return (
    canSwitchUser(readFileSync('/proc/self/status', 'utf8')) &&
    hostUsersMapped(readFileSync('/proc/self/uid_map', 'utf8')) &&
    hostUsersMapped(readFileSync('/proc/self/gid_map', 'utf8'))
  )
}

/** `inside outside count` lines of /proc/self/{uid,gid}_map; a container with a small range maps none of our ids. */
export function hostUsersMapped(map: string): boolean {
  return map
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([inside = Number.NaN, , count = 0]) => inside <= firstHostUser && lastHostUser < inside + count)
}

const neededCapabilities = { CHOWN: 0, DAC_OVERRIDE: 1, KILL: 5, SETGID: 6, SETUID: 7, SYS_ADMIN: 21 }

/** Root in an ordinary container lacks SYS_ADMIN and may make no mount namespace. */
export function canSwitchUser(status: string): boolean {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return Object.values(neededCapabilities).every((bit) => (effective >> BigInt(bit)) & 1n)
}
