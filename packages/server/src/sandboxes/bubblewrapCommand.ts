// The command that makes a bubblewrap sandbox. Invariants: it holds no secret; nothing of the host is visible inside but
// what is named here; no file of the server stays open in it but the log, the pipes to the driver and the lock.
import { lstatSync, readlinkSync, statSync } from 'node:fs'
import { asHostUser, type HostBind, hostBindRoot } from '../host/hostUser.ts'
import type { SandboxGroup } from './cgroups/cgroups.ts'
import type { SandboxSpec } from './driver.ts'
import {
  hiddenKernelPaths,
  initPath,
  inside,
  insideSource,
  madeUpFiles,
  oomScore,
  programsPath,
  readOnlyKernelPaths,
  sandboxPaths,
  sharedMemoryBytes,
  temporaryBytes,
} from './layout.ts'

/** The launcher's exit status when another process holds the sandbox's lock. */
export const lockedStatus = 75

/** File descriptors that the driver gives to the launcher, besides standard output and error, which are the log. */
export const statusFd = 3
export const upFd = 4
/** bwrap reads the system call filter from it, and closes it. */
export const filterFd = 5

// An open folder that the server inherited from its own parent would be a way out of the sandbox, so all is closed
// (255 is bash's own). Only bash closes descriptors above 9. The lock is kept by whatever is executed from here; it is
// open for reading alone, since process 1 inherits it.
// The process joins the sandbox's control groups itself, as whoever the server is, so that nothing of the sandbox is ever
// outside of them. When the whole host is short of memory, sandboxes are ended before the server (`oom_score_adj`); a
// host that has set a higher value already lets nobody lower it.
const launcher = `for fd in /proc/self/fd/*; do
  fd=\${fd##*/}
  if [ "$fd" -gt ${filterFd} ] && [ "$fd" != 255 ]; then exec {fd}>&-; fi
done
(umask 077; : >>"$1")
exec 6<"$1"
flock --nonblock --conflict-exit-code ${lockedStatus} 6 || exit $?
left=$2
shift 2
while [ "$left" -gt 0 ]; do
  echo $$ >"$1" || exit
  shift
  left=$((left - 1))
done
if [ "$(</proc/self/oom_score_adj)" -lt ${oomScore} ]; then echo ${oomScore} >/proc/self/oom_score_adj; fi
exec "$@"`

export const namespaces = [
  ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-net', '--unshare-cgroup-try'],
  ...['--disable-userns', '--uid', `${inside.user}`, '--gid', `${inside.user}`, '--cap-drop', 'ALL'],
  ...['--as-pid-1', '--new-session', '--hostname', 'sandbox', '--proc', '/proc'],
]

/** A file of the host, and where the launched command finds it. */
type Place = (source: string) => string

/** @param group that it is to run in; null: the limits are those of its processes. */
export function sandboxCommand(mark: string, spec: SandboxSpec, group: SandboxGroup | null): string[] {
  const binds: HostBind[] = []
  const { hostUser } = spec
  const bound: Place = (source) => {
    const target = `${hostBindRoot}/${binds.length}`
    binds.push({ source, target })
    return target
  }
  const bubblewrap = bubblewrapCommand(mark, spec, group, hostUser === undefined ? (source) => source : bound)
  const command = hostUser === undefined ? bubblewrap : asHostUser({ uid: hostUser, gid: hostUser, binds }, bubblewrap)
  const groups = group?.procs ?? []
  const { lock } = sandboxPaths(spec.folder)
  return ['bash', '-c', launcher, 'corral-sandbox', lock, `${groups.length}`, ...groups, ...command]
}

function bubblewrapCommand(mark: string, spec: SandboxSpec, group: SandboxGroup | null, place: Place): string[] {
  const paths = sandboxPaths(spec.folder)
  const ours = place(insideSource)
  const init = initPath(mark, spec.sandboxId, spec.bootId)
  const readOnly = (source: string, target: string) => ['--ro-bind', place(source), target]
  const writable = (source: string, target: string) => ['--bind', place(source), target]
  const memory = (target: string, bytes: number) => ['--size', `${bytes}`, '--tmpfs', target]
  return [
    ...['bwrap', '--json-status-fd', `${statusFd}`, '--seccomp', `${filterFd}`, ...namespaces],
    ...kernelPaths(),
    ...systemFolders(),
    ...[...madeUpFiles, 'passwd', 'group'].flatMap((name) => ['--ro-bind', `${ours}/etc/${name}`, `/etc/${name}`]),
    ...hostFiles.flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--dev', '/dev', ...memory('/dev/shm', sharedMemoryBytes(spec.limits)), '--remount-ro', '/dev'],
    ...[
      ...memory('/tmp', temporaryBytes(spec.limits)),
      '--dir',
      '/var',
      '--symlink',
      '/tmp',
      '/var/tmp',
      '--dir',
      '/run',
    ],
    ...writable(paths.workspace, inside.workspace),
    ...writable(paths.home, inside.home),
    ...writable(paths.state, inside.state),
    ...readOnly(spec.doorsFolder, inside.doors),
    ...readOnly(spec.supervisorBundle, inside.supervisor),
    ...readOnly(spec.nodeBinary, inside.node),
    ...['--symlink', inside.node, `${inside.programs}/node`],
    ...readOnly(spec.agentsFolder, inside.agents),
    ...(group?.killCount ? readOnly(group.killCount, inside.memoryKills) : []),
    ...['--ro-bind', `${ours}/init.sh`, init],
    ...['--remount-ro', '/', '--chdir', '/'],
    ...environment,
    ...['--', ...limited(spec.limits, group), 'sh', init],
  ]
}

const environment = [
  ...['--clearenv', '--setenv', 'PATH', programsPath],
  ...['--setenv', 'HOME', inside.home, '--setenv', 'USER', 'corral', '--setenv', 'LANG', 'C.UTF-8'],
]

/** What programs of `/usr` need of the host's `/etc`; certificates, never keys. The last two are Fedora's. */
const hostFiles = [
  ...['/etc/ld.so.cache', '/etc/alternatives', '/etc/protocols', '/etc/services'],
  ...['/etc/ssl/certs', '/etc/ssl/openssl.cnf', '/etc/pki/tls/certs', '/etc/pki/ca-trust/extracted'],
]

/**
 * What a sandbox's own `/proc` still shows of the kernel, hidden or read-only; bwrap's own cover leaves `/proc/sys` out.
 * Those that this kernel does not have need no cover, and could not be given one.
 */
const kernelPaths = (): string[] => [
  ...readOnlyKernelPaths.flatMap((path) => ['--ro-bind-try', path, path]),
  ...hiddenKernelPaths.flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false })
    if (!found) return []
    return found.isDirectory() ? ['--tmpfs', path, '--remount-ro', path] : ['--ro-bind', '/dev/null', path]
  }),
]

/** `/usr`, and beside it links or folders just as on the host. */
export function systemFolders(): string[] {
  const beside = ['/bin', '/sbin', '/lib', '/lib64'].flatMap((path) => {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (!found) return []
    return found.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path]
  })
  return ['--ro-bind', '/usr', '/usr', ...beside]
}

/**
 * Set inside: there the kernel counts the processes of this sandbox alone, also when sandboxes share a user. Without a
 * control group the supervisor alone watches the memory: no limit of the kernel on a process lets agents live, since
 * OpenCode maps 67 GB of data that it never touches.
 */
const limited = ({ processes, diskBytes }: SandboxSpec['limits'], group: SandboxGroup | null): string[] => [
  ...(group ? [] : ['nice', '-n', '5']),
  'prlimit',
  ...[`--nproc=${processes}:${processes}`, `--fsize=${diskBytes}:${diskBytes}`, '--core=0:0', '--'],
]
