/**
 * The processes of one sandbox, as the host sees them: those of the process namespace of its init. Nothing inside is
 * asked, so a test can kill or freeze any of them at any moment.
 */
import { readdir, readFile, readlink } from 'node:fs/promises'

export type Inside = {
  init: number
  /** The one that the init has started. Null between two of them. */
  supervisor: number | null
  /** The agent itself, by session. */
  agents: number[]
  /** Whatever the agents have started. */
  tools: { pid: number; commandLine: string }[]
}

type Found = { namespace: string; pid: number; parent: number; commandLine: string; environment: string[] }

export async function lookInside(init: number): Promise<Inside> {
  const [inside] = await lookInsides([init])
  return inside ?? { init, supervisor: null, agents: [], tools: [] }
}

/** Several at once, of those that run, by one look at the host. */
export async function lookInsides(inits: number[]): Promise<Inside[]> {
  const namespaces = new Map<string, number>()
  for (const init of inits) {
    const namespace = await read(() => readlink(`/proc/${init}/ns/pid`))
    if (namespace) namespaces.set(namespace, init)
  }
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0)
  const found = (await Promise.all(pids.map((pid) => findIn(namespaces, pid)))).flat()
  return [...namespaces].map(([namespace, init]) =>
    insideOf(
      init,
      found.filter((process) => process.namespace === namespace),
    ),
  )
}

function insideOf(init: number, found: Found[]): Inside {
  const supervisor = found.find(
    ({ parent, commandLine }) => parent === init && commandLine.includes('/corral/supervisor.mjs'),
  )
  const agentMade = found.filter(({ environment }) => environment.some((entry) => entry.startsWith('CORRAL_AGENT=')))
  // Started by the supervisor, or, when that one has died, without a parent but the init.
  const agents = agentMade.filter(({ parent }) => parent === supervisor?.pid || parent === init)
  return {
    init,
    supervisor: supervisor?.pid ?? null,
    agents: agents.map(({ pid }) => pid),
    tools: agentMade
      .filter((process) => !agents.includes(process))
      .map(({ pid, commandLine }) => ({ pid, commandLine })),
  }
}

async function findIn(namespaces: ReadonlyMap<string, number>, pid: number): Promise<Found[]> {
  const namespace = await read(() => readlink(`/proc/${pid}/ns/pid`))
  if (!namespace || !namespaces.has(namespace)) return []
  const [stat, commandLine, environment] = await Promise.all(
    ['stat', 'cmdline', 'environ'].map((name) => read(() => readFile(`/proc/${pid}/${name}`, 'latin1'))),
  )
  const [state, parent] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? []
  if (!state || state === 'Z') return []
  return [
    {
      namespace,
      pid,
      parent: Number(parent),
      commandLine: (commandLine ?? '').replaceAll('\0', ' ').trim(),
      environment: (environment ?? '').split('\0'),
    },
  ]
}

/** Null for a process that has ended meanwhile. */
async function read(from: () => Promise<string>): Promise<string | null> {
  try {
    return await from()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null
    throw error
  }
}
