/**
 * What can be struck, and how: killed and left to whoever restores it, or frozen for a while. The server is the one that
 * nobody restores, so we start it again. Invariant: when a strike has resolved, nothing is frozen any more.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Answer, Receiver } from '../../packages/server/src/callbacks/testReceiver.ts'
import type { Installation } from '../harness/installation.ts'
import { processesOf } from '../harness/processes.ts'
import type { Inside } from '../kills/inside.ts'
import { type Connection, connectionsOfDoor, connectionsOfPort, cut } from './connections.ts'
import type { Random } from './dice.ts'

export type Target = {
  corral: Installation
  /** The insides of the sandboxes that run. */
  insides(): Promise<Inside[]>
  /** A viewer leaves, and comes back to where it was. */
  cutViewer(random: Random): void
  /** All of those who ever leave, at once. */
  cutViewers(): void
  /** Who is told how executions end. */
  receiver: Pick<Receiver, 'answer'>
}

/** Tells what was done; null when there was nothing to strike. */
export type Fault = (target: Target, random: Random) => Promise<string | null>

const killServer: Fault = async ({ corral }, random) => {
  const awayMs = random.between(0, 6_000)
  await corral.kill()
  await delay(awayMs)
  await corral.start()
  return `server killed, away for ${awayMs} ms`
}

/** As for an upgrade: it ends in order, and is there again. */
const restartServer: Fault = async ({ corral }) => {
  const { tookMs } = await corral.stop()
  await corral.start()
  return `server restarted in order, its stop took ${Math.round(tookMs)} ms`
}

const cutConnection =
  (name: string, of: (pid: number, target: Target, random: Random) => Promise<Connection[]>): Fault =>
  async (target, random) => {
    const [server] = await pidsOf('server', target, random)
    const connections = server ? await of(server, target, random) : []
    if (connections.length === 0) return null
    return (await cut(random.pick(connections))) ? `${name} cut` : null
  }
const cutLink = cutConnection('link', async (pid, target, random) => {
  const [supervisor] = await pidsOf('supervisor', target, random)
  return supervisor ? connectionsOfDoor(pid, supervisor, serverDoor) : []
})
/** The server makes its door under a name of its own, and renames it then. */
const serverDoor = /\/doors\/\.server-\d+\.sock$/
/** Of a viewer mostly, since those stay; or of a call, which is made again. */
const cutClient = cutConnection('client', (pid, { corral }) => connectionsOfPort(pid, Number(new URL(corral.url).port)))

/** Every supervisor dials again at the same time. */
const cutAllLinks: Fault = async (target, random) => {
  const [server] = await pidsOf('server', target, random)
  if (!server) return null
  const supervisors = (await target.insides()).flatMap(({ supervisor }) => supervisor ?? [])
  const found = await Promise.all(supervisors.map((pid) => connectionsOfDoor(server, pid, serverDoor)))
  const done = await Promise.all(found.flat().map(cut))
  return done.length > 0 ? `links cut, ${done.length} at once` : null
}

const cutViewer: Fault = async ({ cutViewer: cut }, random) => {
  cut(random)
  return 'viewer leaves and comes back'
}

const cutViewers: Fault = async ({ cutViewers: cut }) => {
  cut()
  return 'viewers leave and come back, all at once'
}

/** The next callback is not taken. */
const refuseCallback: Fault = async ({ receiver }, random) => {
  const answer = random.pick<Answer>([500, 429, 'hang', 'reset', 'half'])
  receiver.answer(answer, 200)
  return `callback answered with ${answer}`
}

async function pidsOf(name: string, target: Target, random: Random): Promise<number[]> {
  const { corral } = target
  const all = await processesOf(corral.folder)
  const inside = async (of: (inside: Inside) => (number | null)[]) => {
    const found = (await target.insides()).flatMap(of).filter((pid) => pid !== null)
    return found.length > 0 ? [random.pick(found)] : []
  }
  switch (name) {
    case 'server':
      return all.filter(({ commandLine }) => commandLine.endsWith('corral up')).map(({ pid }) => pid)
    case 'gateway':
      return all
        .filter(({ commandLine }) => /\/gateway\/gateway-[0-9a-f]+\.mjs /.test(commandLine))
        .map(({ pid }) => pid)
    case 'postgres': {
      const pidFile = join(corral.home, 'postgres', 'data', 'postmaster.pid')
      const text = await readFile(pidFile, 'utf8').catch(noFile)
      const postmaster = Number(text.split('\n')[0])
      if (!postmaster) return []
      // Its postmaster alone: who is connected goes on, nobody new gets in. Or all of it.
      return random.chance(0.5) ? [postmaster] : [postmaster, ...(await childrenOf(postmaster))]
    }
    case 'supervisor':
      return inside(({ supervisor }) => [supervisor])
    case 'agent':
      return inside(({ agents }) => agents)
    default: {
      const [init] = await inside((sandbox) => [sandbox.init])
      const all = (await target.insides()).filter((sandbox) => sandbox.init === init)
      return all.flatMap(({ supervisor, agents, tools }) => [
        ...(init ? [init] : []),
        ...(supervisor ? [supervisor] : []),
        ...agents,
        ...tools.map(({ pid }) => pid),
      ])
    }
  }
}

const kill =
  (name: string): Fault =>
  async (target, random) => {
    const pids = await pidsOf(name, target, random)
    for (const pid of pids) signal(pid, 'SIGKILL')
    return pids.length > 0 ? `${name} killed` : null
  }

const freeze =
  (name: string): Fault =>
  async (target, random) => {
    const forMs = random.chance(0.1) ? 20_000 : random.between(300, 8_000)
    const pids = await pidsOf(name, target, random)
    for (const pid of pids) signal(pid, 'SIGSTOP')
    await delay(pids.length > 0 ? forMs : 0)
    for (const pid of pids) signal(pid, 'SIGCONT')
    return pids.length > 0 ? `${name} frozen for ${forMs} ms` : null
  }

/** By what they strike, and how; of two at once no two strike the same. */
export const faults = {
  server: { kill: killServer, freeze: freeze('server'), restart: restartServer },
  postgres: { kill: kill('postgres'), freeze: freeze('postgres') },
  gateway: { kill: kill('gateway'), freeze: freeze('gateway') },
  supervisor: { kill: kill('supervisor'), freeze: freeze('supervisor') },
  agent: { kill: kill('agent'), freeze: freeze('agent') },
  sandbox: { kill: kill('sandbox'), freeze: freeze('sandbox') },
  link: { cut: cutLink, cutAll: cutAllLinks },
  viewer: { cut: cutViewer, cutAll: cutViewers, client: cutClient },
  callback: { refuse: refuseCallback },
} as const satisfies Record<string, Record<string, Fault>>

export type Victim = keyof typeof faults
/** `<what>.<how>`. */
export type FaultName = { [V in Victim]: `${V}.${keyof (typeof faults)[V] & string}` }[Victim]

export const victims = Object.keys(faults) as Victim[]
export const faultsOf = (victim: Victim): FaultName[] =>
  Object.keys(faults[victim]).map((how) => `${victim}.${how}` as FaultName)

export function faultNamed(name: FaultName): Fault {
  const [victim, how] = name.split('.') as [Victim, string]
  const found = Object.entries<Fault>(faults[victim]).find(([key]) => key === how)
  if (!found) throw new Error(`There is no fault "${name}".`)
  return found[1]
}

/** While it is not there nobody runs it. */
function noFile(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
  throw error
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(noFile)
  return text.split(' ').filter(Boolean).map(Number)
}

/** One that has ended meanwhile is no news. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
