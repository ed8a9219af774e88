/**
 * Cuts a connection of a running process from outside, as a network does: neither end asks for it, and both learn it
 * from the kernel. The socket is borrowed from its process (`pidfd_getfd`) and shut down, for which perl, which comes
 * with git, has the system calls that Node has not.
 */
import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { promisify } from 'node:util'

export type Connection = { pid: number; descriptor: number }

/**
 * Of the server with a supervisor. A connection of a Unix socket is listed where it was asked for, in the network of the
 * sandbox, under the path of the door; the end of it that has the path is the server's.
 */
export async function connectionsOfDoor(pid: number, supervisor: number, door: RegExp): Promise<Connection[]> {
  // Num RefCount Protocol Flags Type St Inode Path; 03 is connected.
  const inodes = (await tableOf(supervisor, 'unix'))
    .filter(([, , , , , state, , path]) => state === '03' && door.test(path ?? ''))
    .map(([, , , , , , inode]) => inode)
  return connectionsOf(pid, inodes)
}

/** Of people and programs, at a port. */
export async function connectionsOfPort(pid: number, port: number): Promise<Connection[]> {
  // sl local_address rem_address st … inode; 01 is established.
  const inodes = (await tableOf(pid, 'tcp'))
    .filter(([, local, , state]) => state === '01' && Number.parseInt(local?.split(':')[1] ?? '', 16) === port)
    .map((columns) => columns[9])
  return connectionsOf(pid, inodes)
}

const systemCalls: Partial<Record<NodeJS.Architecture, { shutdown: number }>> = {
  x64: { shutdown: 48 },
  arm64: { shutdown: 210 },
}
/** The same on every architecture: pidfd_open is 434, pidfd_getfd 438. An answer below 0 is an error. */
const program = `
my ($pid, $fd, $shutdown) = map { int } @ARGV;
my $process = syscall(434, $pid, 0); exit 3 if $process < 0;
my $socket = syscall(438, $process, $fd, 0); exit 3 if $socket < 0;
exit(syscall($shutdown, $socket, 2) < 0 ? 3 : 0);
`

/** False when it has ended meanwhile. */
export async function cut({ pid, descriptor }: Connection): Promise<boolean> {
  const calls = systemCalls[process.arch]
  if (!calls) throw new Error(`No connection can be cut on ${process.arch}: its system calls are not known here.`)
  try {
    await promisify(execFile)('perl', ['-e', program, `${pid}`, `${descriptor}`, `${calls.shutdown}`])
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 3) return false
    throw error
  }
}

async function connectionsOf(pid: number, inodes: (string | undefined)[]): Promise<Connection[]> {
  const wanted = new Set(inodes.map((inode) => `socket:[${inode}]`))
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(ifGone([]))
  const found = await Promise.all(
    descriptors.map(async (name) => {
      const target = await readlink(`/proc/${pid}/fd/${name}`).catch(ifGone(''))
      return wanted.has(target) ? [{ pid, descriptor: Number(name) }] : []
    }),
  )
  return found.flat()
}

async function tableOf(pid: number, name: 'unix' | 'tcp'): Promise<string[][]> {
  const text = await readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(ifGone(''))
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
}

const ifGone =
  <T>(none: T) =>
  (error: unknown): T => {
    if (error instanceof Error && 'code' in error) return none
    throw error
  }
