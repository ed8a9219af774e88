/**
 * What is done to an installation while it works: anything of it is killed, or frozen for a while. A fault that finds
 * nothing to hit (an agent between two starts) did nothing, and is told as such.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Installation } from '../harness/installation.ts'
import type { Conversation } from '../kills/conversation.ts'
import type { Inside } from '../kills/inside.ts'
import type { Chance } from './random.ts'

export type Faults = {
  /** Returns when the fault is over; what it did, in words. */
  next(): Promise<string>
}

const longestFreezeMs = 8_000
const longestAbsenceMs = 4_000

export function createFaults(corral: Installation, conversations: readonly Conversation[], chance: Chance): Faults {
  const fileOf = (...path: string[]) => readFile(join(corral.home, ...path), 'utf8')

  const processes = {
    postgres: async () => [Number((await fileOf('postgres', 'data', 'postmaster.pid')).split('\n')[0])],
    gateway: async () => [Number(JSON.parse(await fileOf('gateway', 'gateway.pid')).pid)],
    supervisor: async () => inside(({ supervisor }) => (supervisor === null ? [] : [supervisor])),
    agent: async () => inside(({ agents }) => agents),
    sandbox: async () => inside(({ init }) => [init]),
  }

  /** Of one of the conversations, if its sandbox runs. */
  async function inside(which: (found: Inside) => number[]): Promise<number[]> {
    const conversation = conversations[chance.below(conversations.length)]
    return conversation ? which(await conversation.inside()) : []
  }

  async function killServer(): Promise<void> {
    await corral.kill()
    await delay(chance.below(longestAbsenceMs))
    await corral.start()
  }

  async function freeze(pids: readonly number[]): Promise<number> {
    const ms = chance.below(longestFreezeMs)
    for (const pid of pids) send(pid, 'SIGSTOP')
    await delay(ms)
    for (const pid of pids) send(pid, 'SIGCONT')
    return ms
  }

  const killable = ['server', 'postgres', 'gateway', 'supervisor', 'agent', 'sandbox'] as const
  const freezable = ['server', 'gateway', 'supervisor', 'agent'] as const

  return {
    async next() {
      if (chance.happens(0.3)) {
        const name = chance.pick(freezable)
        const pids = name === 'server' ? [corral.pid()] : await found(processes[name])
        if (pids.length === 0) return `no ${name} to freeze`
        const ms = await freeze(pids)
        return `froze ${name} for ${ms} ms`
      }
      const name = chance.pick(killable)
      if (name === 'server') await killServer()
      else {
        const pids = await found(processes[name])
        if (pids.length === 0) return `no ${name} to kill`
        for (const pid of pids) send(pid, 'SIGKILL')
      }
      return `killed ${name}`
    },
  }
}

/** Nothing, where it is being started or the database is away. */
async function found(look: () => Promise<number[]>): Promise<number[]> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof Error) return []
    throw error
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
