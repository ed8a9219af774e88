/**
 * Which control groups this machine offers, read from what the kernel tells about mounts and this process: pure.
 * Invariant: a controller is looked for where it really is, since machines may have some in version 1 and others in 2.
 */

/** What a sandbox is limited by. */
export const controllers = ['memory', 'pids', 'cpu'] as const
export type Controller = (typeof controllers)[number]

export type Hierarchy =
  /** Each controller has a tree of its own, mounted here. */
  | { version: 1; mounts: Readonly<Partial<Record<Controller, string>>> }
  /** One tree for all controllers. `own` is this process's place in it. */
  | { version: 2; mount: string; own: string }

/** @param mountinfo, selfCgroup of `/proc/self`. Null where there is neither kind. */
export function findHierarchy(mountinfo: string, selfCgroup: string): Hierarchy | null {
  const mounts = mountinfo.split('\n').flatMap(parseMount)
  const separate = mounts.filter(({ type }) => type === 'cgroup')
  const found = controllers.flatMap((name) => {
    const mount = separate.find(({ options }) => options.includes(name))
    return mount ? [[name, mount.path] as const] : []
  })
  if (found.some(([name]) => name === 'memory')) return { version: 1, mounts: Object.fromEntries(found) }
  const unified = mounts.find(({ type }) => type === 'cgroup2')
  return unified ? { version: 2, mount: unified.path, own: /^0::(\/.*)$/m.exec(selfCgroup)?.[1] ?? '/' } : null
}

/** `36 35 98:0 /root /path options optional… - type source superOptions` (proc_pid_mountinfo(5)). */
function parseMount(line: string): { path: string; type: string; options: string[] }[] {
  const [place = '', source = ''] = line.split(' - ')
  const [path, [type, , options = '']] = [place.split(' ')[4], source.split(' ')]
  return path && type ? [{ path, type, options: options.split(',') }] : []
}
