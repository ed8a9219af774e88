// Where everything of a sandbox lies: its folder on this host, and its paths inside, the same under every driver.
// Invariants: `state`, `workspace` and `home` belong to the sandbox, so the server never follows a link in them; the
// rest of the folder is the server's and cannot be reached from inside.
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BootId, SandboxId } from '@corral/protocol'

export const sandboxesFolder = (dataFolder: string): string => `${resolve(dataFolder)}/sandboxes`

/** A sandbox's folder below the data folder. */
export const sandboxFolder = (dataFolder: string, sandboxId: SandboxId): string =>
  `${sandboxesFolder(dataFolder)}/${safeName(sandboxId)}`

/** What lies in a sandbox's folder on this host. */
export const sandboxPaths = (folder: string) => ({
  folder,
  workspace: `${folder}/workspace`,
  home: `${folder}/home`,
  /** The supervisor's: its spool, its incarnation number, and the boot file. */
  state: `${folder}/state`,
  bootFile: `${folder}/state/boot.json`,
  log: `${folder}/log`,
  /** Locked as long as the sandbox lives, so a folder has one sandbox at most. */
  lock: `${folder}/lock`,
})
export type SandboxPaths = ReturnType<typeof sandboxPaths>

/** The same for everybody inside a sandbox. */
export const inside = {
  user: 1000,
  workspace: '/workspace',
  home: '/home',
  state: '/corral/state',
  doors: '/corral/doors',
  serverDoor: '/corral/doors/server.sock',
  gatewayDoor: '/corral/doors/gateway.sock',
  /** Where the supervisor lets programs reach the gateway. */
  gatewayUrl: 'http://127.0.0.1:4100',
  /** Where it lets them reach the web. */
  webProxy: '127.0.0.1:3128',
  agents: '/opt/agents',
  supervisor: '/corral/supervisor.mjs',
  node: '/corral/node',
  /** First in `PATH`: holds `node`. */
  programs: '/corral/bin',
  /** The init and its log on the host, where a driver's sandboxes are known by other means than `initPath`. */
  init: '/corral/init.sh',
  log: '/corral/log',
  /** How many processes the kernel ended for want of memory, where the driver can show it. */
  memoryKills: '/corral/memory-kills',
} as const

/** What the server's own environment says about programs must not matter to a sandbox. */
export const hostPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
export const programsPath = `${inside.programs}:${hostPath}`

/** Our files that appear inside: `init.sh`, and `etc/`. */
export const insideSource = fileURLToPath(new URL('./inside', import.meta.url))

/** Of `inside/etc`, under every driver. The host's own would name its networks and names. */
export const madeUpFiles = ['hosts', 'nsswitch.conf', 'resolv.conf'] as const

/** Temporary folders are memory: filling one must leave some for the programs. */
export const temporaryBytes = ({ memoryBytes }: { memoryBytes: number }): number => Math.floor(memoryBytes / 2)
/** `/dev/shm`. */
export const sharedMemoryBytes = ({ memoryBytes }: { memoryBytes: number }): number => Math.floor(memoryBytes / 8)

/** A host that is short of memory ends a sandbox before the server. The supervisor gives more to agents and tools. */
export const oomScore = 200

/**
 * Covered under every driver: what the kernel tells of the whole machine, its keys, its memory and its devices. Docker's own
 * list, which giving one replaces, and more.
 */
export const hiddenKernelPaths = [
  ...['/proc/asound', '/proc/acpi', '/proc/interrupts', '/proc/kcore', '/proc/key-users', '/proc/keys', '/proc/kmsg'],
  ...['/proc/latency_stats', '/proc/scsi', '/proc/sched_debug', '/proc/slabinfo', '/proc/timer_list'],
  ...['/proc/timer_stats', '/proc/vmallocinfo'],
] as const

/** Who may write them is told by their owner, not by a capability: to a sandbox that is root to the kernel they are open. */
export const readOnlyKernelPaths = [
  ...['/proc/bus', '/proc/fs', '/proc/irq', '/proc/pressure', '/proc/sys', '/proc/sysrq-trigger'],
] as const

/** The folder of an agent inside a sandbox. */
export function agentFolder({ name, version }: { name: string; version: string }): string {
  return `${inside.agents}/${safeName(name)}@${safeName(version)}`
}

const initRoot = '/corral/init'

/**
 * Where the init is mounted inside. The path is the sandbox's identity: the kernel shows it to the host in the mount
 * table of process 1, and nobody inside can change a mount, whereas arguments and environment can be written over.
 * `mark` names the data folder.
 */
export const initPath = (mark: string, sandboxId: SandboxId, bootId: BootId): string =>
  `${initRoot}/${mark}/${safeName(sandboxId)}/${safeName(bootId)}`

export type InitIdentity = { mark: string; sandboxId: SandboxId; bootId: BootId }

export function parseInitPath(path: string): InitIdentity | undefined {
  if (!path.startsWith(`${initRoot}/`)) return undefined
  const [mark = '', sandboxId = '', bootId = ''] = path.slice(initRoot.length + 1).split('/')
  return isSandboxId(sandboxId) && isBootId(bootId) ? { mark, sandboxId, bootId } : undefined
}

export const isSandboxId = (text: string): text is SandboxId => text.startsWith('sbx_')
export const isBootId = (text: string): text is BootId => text.startsWith('boot_')

/** Ids of ours are safe names as they are; anything else would be a way to another folder, and is refused. */
function safeName(text: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$/.test(text)) return text
  throw new RangeError(`${JSON.stringify(text)} cannot be the name of a folder: use letters, digits, "_", ".", "-".`)
}
