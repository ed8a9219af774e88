// What Docker is asked for to make a sandbox: pure. Invariants: no network, no capability, no privilege to gain, no system
// call that the policy refuses, nothing writable but the sandbox's own folders and memory; no secret in arguments,
// environment or labels.
import type { ContainerCreateOptions } from 'dockerode'
import { kernelMemoryBytes } from '../cgroups/settings.ts'
import type { SandboxSpec } from '../driver.ts'
import {
  hiddenKernelPaths,
  inside,
  madeUpFiles,
  oomScore,
  programsPath,
  readOnlyKernelPaths,
  sandboxPaths,
  sharedMemoryBytes,
  temporaryBytes,
} from '../layout.ts'
import { dockerProfile } from '../seccomp/profile.ts'

/** Labels by which a container is known as ours; `mark` names the data folder. */
export const labels = { mark: 'corral.mark', sandboxId: 'corral.sandbox', bootId: 'corral.boot' } as const

/** One container per sandbox: Docker gives a name once, which makes a second start harmless. */
export const containerName = (mark: string, sandboxId: string): string => `corral-${mark}-${sandboxId}`

/** Inside, under Docker, a process has the id that it has on the host. */
export type ContainerUser = { uid: number; gid: number }

// What the init says goes to the log on the host, which it keeps short. The environment is made here, since Docker adds
// names of its own to the one that it is given.
const launcher = `exec >>${inside.log} 2>&1 </dev/null 4>/dev/null 6</dev/null
cd /
exec env -i PATH=${programsPath} HOME=${inside.home} USER=corral LANG=C.UTF-8 PWD=/ sh "$1"`

export function containerOf(options: {
  mark: string
  spec: SandboxSpec
  user: ContainerUser
  image: string
  /** Another runtime than Docker's default, e.g. `runsc`. */
  runtime: string | null
  /** The folder with `init.sh` and `etc/`, and the files made for this sandbox. */
  sources: { inside: string; passwd: string; group: string }
}): ContainerCreateOptions & { name: string } {
  const { mark, spec, user, image, runtime, sources } = options
  const paths = sandboxPaths(spec.folder)
  const init = inside.init
  const { processes, diskBytes, cpus } = spec.limits
  const memoryBytes = kernelMemoryBytes(spec.limits)
  const readOnly = (source: string, target: string) => `${source}:${target}:ro`
  const memory = `rw,nosuid,nodev,size=${temporaryBytes(spec.limits)},mode=1777`
  return {
    name: containerName(mark, spec.sandboxId),
    Image: image,
    Labels: { [labels.mark]: mark, [labels.sandboxId]: spec.sandboxId, [labels.bootId]: spec.bootId },
    Hostname: 'sandbox',
    User: `${user.uid}:${user.gid}`,
    WorkingDir: '/',
    Entrypoint: ['sh', '-c', launcher, 'corral-sandbox', init],
    Cmd: [],
    HostConfig: {
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges', `seccomp=${dockerProfile()}`],
      ReadonlyRootfs: true,
      IpcMode: 'private',
      ReadonlyPaths: [...readOnlyKernelPaths],
      MaskedPaths: [...hiddenKernelPaths, '/sys'],
      Memory: memoryBytes,
      MemorySwap: memoryBytes,
      PidsLimit: processes,
      ...(cpus === null ? {} : { NanoCpus: Math.round(cpus * 1e9) }),
      OomScoreAdj: oomScore,
      ShmSize: sharedMemoryBytes(spec.limits),
      Ulimits: [
        { Name: 'fsize', Soft: diskBytes, Hard: diskBytes },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      Tmpfs: { '/tmp': memory, '/var/tmp': memory, '/run': 'ro,size=64k' },
      Binds: [
        ...[`${paths.workspace}:${inside.workspace}`, `${paths.home}:${inside.home}`, `${paths.state}:${inside.state}`],
        `${paths.log}:${inside.log}`,
        readOnly(spec.doorsFolder, inside.doors),
        readOnly(spec.supervisorBundle, inside.supervisor),
        readOnly(spec.nodeBinary, inside.node),
        readOnly(spec.nodeBinary, `${inside.programs}/node`),
        readOnly(spec.agentsFolder, inside.agents),
        ...madeUpFiles.map((name) => readOnly(`${sources.inside}/etc/${name}`, `/etc/${name}`)),
        readOnly(sources.passwd, '/etc/passwd'),
        readOnly(sources.group, '/etc/group'),
        readOnly(`${sources.inside}/init.sh`, init),
      ],
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'none', Config: {} },
      ...(runtime === null ? {} : { Runtime: runtime }),
    },
  }
}
