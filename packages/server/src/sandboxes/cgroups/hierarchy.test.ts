import { expect, test } from 'vitest'
import { findHierarchy } from './hierarchy.ts'
import { settingsOf } from './settings.ts'

const line = (path: string, type: string, options: string) =>
  `31 23 0:28 / ${path} rw,relatime shared:4 - ${type} ${type} rw,${options}`

test('one tree for all, and this process in a part of the group that its service was given', () => {
  const mountinfo = line('/sys/fs/cgroup', 'cgroup2', 'nsdelegate')
  expect(findHierarchy(mountinfo, '0::/system.slice/corral.service/server\n')).toEqual({
    version: 2,
    mount: '/sys/fs/cgroup',
    own: '/system.slice/corral.service/server',
  })
})

test('a tree for each controller, some of which share one; the unified one beside them has none of ours', () => {
  const mountinfo = [
    line('/', 'ext4', 'discard'),
    line('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'cpu,cpuacct'),
    line('/sys/fs/cgroup/memory', 'cgroup', 'memory'),
    line('/sys/fs/cgroup/pids', 'cgroup', 'pids'),
    line('/sys/fs/cgroup/unified', 'cgroup2', 'nsdelegate'),
  ].join('\n')
  expect(findHierarchy(mountinfo, '4:memory:/\n0::/\n')).toEqual({
    version: 1,
    mounts: { memory: '/sys/fs/cgroup/memory', pids: '/sys/fs/cgroup/pids', cpu: '/sys/fs/cgroup/cpu,cpuacct' },
  })
})

test('a machine without control groups has none', () => {
  expect(findHierarchy(line('/', 'ext4', 'discard'), '')).toBeNull()
})

test('a share of the processors is written in the words of each version', () => {
  const limits = { memoryBytes: 1024 ** 3, processes: 100, diskBytes: 1024 ** 3, cpus: 1.5, cgroups: true }
  const cpu = (version: 1 | 2) =>
    settingsOf(version, limits)
      .filter(({ controller }) => controller === 'cpu')
      .map(({ file, value }) => `${file} ${value}`)
  expect(cpu(1)).toEqual(['cpu.cfs_period_us 100000', 'cpu.cfs_quota_us 150000'])
  expect(cpu(2)).toEqual(['cpu.max 150000 100000'])
})
