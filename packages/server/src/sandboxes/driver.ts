// What every way to make sandboxes offers. Invariants: a sandbox (id) has at most one life (boot) at a time, which
// survives the process that started it; a reference names one life and never matches another, also after a restart.
import type { BootId, SandboxId } from '@corral/protocol'
import { z } from 'zod'

export type Driver<Ref extends DriverRef = DriverRef> = {
  name: DriverRef['driver']
  /**
   * Starts this boot of the sandbox, or finds it running: called again, at once or by another server, it answers the
   * same. Answers when the process exists; whether its supervisor works is told by its link. Rejects with `SandboxError`.
   */
  start(spec: SandboxSpec): Promise<Ref>
  /** Passive: never wakes, extends or repairs. */
  inspect(ref: Ref): Promise<'running' | 'stopped' | 'unknown'>
  /**
   * Lets the supervisor end within `graceMs`, then ends everything. Idempotent. `unconfirmed` when the host did not
   * show the end within 5 s: nothing more can be done then, and `list` shows what is left.
   */
  stop(ref: Ref, graceMs: number): Promise<'stopped' | 'unconfirmed'>
  /** What really exists of this data folder, told by identity and not by records, so that strays are found. */
  list(): Promise<Ref[]>
  /** Removes what sandboxes that ended by themselves left on this host. For when none is being started. */
  tidy(): Promise<void>
}

export type SandboxSpec = {
  sandboxId: SandboxId
  bootId: BootId
  /** The sandbox's folder on this host (`sandboxFolder`); made when it is not there. */
  folder: string
  /** The folder with `server.sock` and `gateway.sock`, both of mode 0666: its parent keeps strangers out. */
  doorsFolder: string
  /** The supervisor, one file. */
  supervisorBundle: string
  nodeBinary: string
  /** The store of installed agents on this host; all of it appears read-only inside, also what is added later. */
  agentsFolder: string
  /** Proves to the server that the link is this boot's. Goes into the boot file and nowhere else. */
  linkToken: string
  /** The host user that the sandbox runs under (`newHostUser`); without, the server's own. */
  hostUser?: number
  limits: SandboxLimits
}

export type SandboxLimits = {
  /** `/tmp` is memory, too, and may have half of it, `/dev/shm` an eighth. */
  memoryBytes: number
  /** Processes and threads. */
  processes: number
  /** Workspace, home and state together, which the supervisor watches; and one file, for which the kernel stands. */
  diskBytes: number
  /** How many processors' time it may use, whoever else wants some; null: all that nobody else wants. */
  cpus: number | null
  /** Whether control groups of this host are used where there are some. */
  cgroups: boolean
}

/** The process id alone is given again by the kernel: the start time within this boot of the host tells them apart. */
const bubblewrapRefSchema = z.strictObject({
  driver: z.literal('bubblewrap'),
  sandboxId: z.templateLiteral(['sbx_', z.string()]),
  bootId: z.templateLiteral(['boot_', z.string()]),
  hostBootId: z.string(),
  pid: z.number().int().positive(),
  startTicks: z.number().int().nonnegative(),
})

const dockerRefSchema = z.strictObject({
  driver: z.literal('docker'),
  sandboxId: z.templateLiteral(['sbx_', z.string()]),
  bootId: z.templateLiteral(['boot_', z.string()]),
  containerId: z.string(),
})

export type BubblewrapRef = z.infer<typeof bubblewrapRefSchema>
export type DockerRef = z.infer<typeof dockerRefSchema>

/** Kept as JSON in the sandbox's row. */
export const driverRefSchema = z.discriminatedUnion('driver', [bubblewrapRefSchema, dockerRefSchema])
export type DriverRef = z.infer<typeof driverRefSchema>

export type SandboxProblem =
  | 'not_installed'
  | 'user_namespaces_forbidden'
  | 'not_supported'
  | 'already_running'
  | 'start_failed'

/** Whether this host can run a driver's sandboxes, else what is missing and the command that mends it. */
export type DriverCheck = { works: true } | { works: false; problem: SandboxProblem; reason: string; remedy: string }

/** Why a sandbox could not be started, in a sentence, and the command that mends it where one does. */
export class SandboxError extends Error {
  readonly problem: SandboxProblem
  readonly remedy: string | null

  constructor(problem: SandboxProblem, sentence: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(sentence, { cause: options.cause })
    this.name = 'SandboxError'
    this.problem = problem
    this.remedy = options.remedy ?? null
  }
}
