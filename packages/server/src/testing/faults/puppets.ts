/**
 * For tests of faults: a driver whose sandboxes are puppets, for what a real sandbox and a real host cannot be brought to.
 * It starts, looks and ends as it is told, or fails, or never answers.
 */
import { mkdir } from 'node:fs/promises'
import type { BootId, DownMethod, SandboxId, SessionId } from '@corral/protocol'
import type { Driver } from '../../sandboxes/driver.ts'
import { sandboxPaths } from '../../sandboxes/layout.ts'
import { createPuppet, type Puppet, type Reaction, type Received } from './puppet.ts'

/** What goes wrong; nothing, by itself. */
export type Faults = {
  /** Asked at each start of a sandbox, by its number from 1. */
  start(number: number): Error | 'hangs' | 'dialsNever' | null
  inspect: 'answers' | 'hangs'
  stop: 'answers' | 'hangs'
  react(command: Received): Reaction
}
const noFaults: Faults = { start: () => null, inspect: 'answers', stop: 'answers', react: () => 'obey' }

export function createPuppets() {
  const alive = new Map<SandboxId, { bootId: BootId; puppet: Puppet | null }>()
  const received: Received[] = []
  const puppets = {
    faults: noFaults,
    /** How many sandboxes were to be started. */
    starts: 0,
    /** Until the next test. */
    fail(faults: Partial<Faults>) {
      puppets.faults = { ...noFaults, ...faults }
      puppets.starts = 0
      received.length = 0
    },
    /** Of every command of every puppet, in the order in which they came. */
    received,
    /** Those that live. */
    all: (): Puppet[] => [...alive.values()].flatMap(({ puppet }) => puppet ?? []),
    /** Who has a session now. */
    of: (session: SessionId): Puppet | null => puppets.all().find((puppet) => puppet.epochOf(session) > 0) ?? null,
    count: (method: DownMethod) => received.filter((command) => command.method === method).length,
    driver: {
      name: 'bubblewrap',
      async start(spec) {
        const ref = refOf(spec.sandboxId, spec.bootId)
        if (alive.get(spec.sandboxId)?.bootId === spec.bootId) return ref
        puppets.starts += 1
        const failure = puppets.faults.start(puppets.starts)
        if (failure instanceof Error) throw failure
        if (failure === 'hangs') return nothing()
        const { workspace, home, state } = sandboxPaths(spec.folder)
        for (const path of [workspace, home, state]) await mkdir(path, { recursive: true })
        alive.set(spec.sandboxId, { bootId: spec.bootId, puppet: null })
        if (failure === 'dialsNever') return ref
        const react = (command: Received) => puppets.faults.react(command)
        alive.set(spec.sandboxId, { bootId: spec.bootId, puppet: createPuppet(spec, { received, react }) })
        return ref
      },
      async inspect(ref) {
        if (puppets.faults.inspect === 'hangs') return nothing()
        return alive.get(ref.sandboxId)?.bootId === ref.bootId ? 'running' : 'stopped'
      },
      async stop(ref) {
        if (puppets.faults.stop === 'hangs') return nothing()
        alive.get(ref.sandboxId)?.puppet?.end()
        alive.delete(ref.sandboxId)
        return 'stopped'
      },
      list: async () => [...alive].map(([sandboxId, { bootId }]) => refOf(sandboxId, bootId)),
      tidy: async () => undefined,
    } satisfies Driver,
    end() {
      for (const { puppet } of alive.values()) puppet?.end()
    },
  }
  return puppets
}

const nothing = () => new Promise<never>(() => {})

const refOf = (sandboxId: SandboxId, bootId: BootId) =>
  ({ driver: 'bubblewrap', sandboxId, bootId, hostBootId: 'puppets', pid: 1, startTicks: 0 }) as const
