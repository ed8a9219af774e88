/**
 * What is written into a sandbox's control group: pure. Invariant: the kernel's limit on memory lies above the one that
 * the supervisor keeps, so that the supervisor, who knows the agent from its tools, chooses first.
 */
import type { SandboxLimits } from '../driver.ts'
import type { Controller } from './hierarchy.ts'

/** `ifThere`: kernels may be built without it. In the order in which they have to be written. */
export type Setting = { controller: Controller; file: string; value: string; ifThere?: true }

const cpuPeriodUs = 100_000
/** What stands in the way of a sandbox's start are the programs that make it. */
const launchers = 16
const headroomBytes = 256 * 1024 * 1024

/** A program that grows fast is ended by the kernel, any other by the supervisor. */
export const kernelMemoryBytes = ({ memoryBytes }: Pick<SandboxLimits, 'memoryBytes'>): number =>
  memoryBytes + Math.max(headroomBytes, Math.floor(memoryBytes / 8))

export function settingsOf(version: 1 | 2, limits: SandboxLimits): Setting[] {
  const memory = `${kernelMemoryBytes(limits)}`
  const pids: Setting = { controller: 'pids', file: 'pids.max', value: `${limits.processes + launchers}` }
  const quota = limits.cpus === null ? null : `${Math.round(limits.cpus * cpuPeriodUs)}`
  if (version === 2) {
    return [
      { controller: 'memory', file: 'memory.max', value: memory },
      { controller: 'memory', file: 'memory.swap.max', value: '0', ifThere: true },
      pids,
      ...(quota === null ? [] : [{ controller: 'cpu' as const, file: 'cpu.max', value: `${quota} ${cpuPeriodUs}` }]),
    ]
  }
  return [
    // The sum with swap may never be below the limit itself: first away, so that any limit can follow any other.
    { controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: '-1', ifThere: true },
    { controller: 'memory', file: 'memory.limit_in_bytes', value: memory },
    { controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: memory, ifThere: true },
    pids,
    ...(quota === null
      ? []
      : [
          { controller: 'cpu' as const, file: 'cpu.cfs_period_us', value: `${cpuPeriodUs}`, ifThere: true as const },
          { controller: 'cpu' as const, file: 'cpu.cfs_quota_us', value: quota, ifThere: true as const },
        ]),
  ]
}

/**
 * All sandboxes together, beside the other programs of the machine, among whom are the server and PostgreSQL: in version
 * 1 every one of those weighs 1,024. In version 2 a group weighs as much as its neighbors, which is what is wanted.
 */
export const allSandboxes = (version: 1 | 2): Setting[] =>
  version === 1 ? [{ controller: 'cpu', file: 'cpu.shares', value: '4096' }] : []

/** Where the kernel counts whom it has ended for want of memory, as a line `oom_kill <count>`. */
export const killCountFile = (version: 1 | 2): string => (version === 1 ? 'memory.oom_control' : 'memory.events')
