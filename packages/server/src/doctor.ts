/** What works on this machine, and what to do about the rest. */
import { execFile } from 'node:child_process'
import { statfs } from 'node:fs/promises'
import { promisify } from 'node:util'
import { defaultAgent } from './agents/catalog.ts'
import { createAgentStore } from './agents/store.ts'
import type { Config } from './config.ts'
import { hostUserIdsUsable } from './host/hostUser.ts'
import { probeOwner } from './host/ownerLock.ts'
import { runFolder } from './host/runFolder.ts'
import { findTrees } from './sandboxes/cgroups/cgroups.ts'
import { controllers } from './sandboxes/cgroups/hierarchy.ts'
import { checkDriver, driverNames } from './sandboxes/choose.ts'

export type Finding = { what: string; state: 'works' | 'warning' | 'missing'; says: string; remedy?: string }

const run = promisify(execFile)
const enoughBytes = 2 * 1024 ** 3

export async function doctor(config: Config, env: NodeJS.ProcessEnv): Promise<Finding[]> {
  return [
    await git(),
    ...(await sandboxes(config)),
    sandboxUsers(),
    await limits(config),
    await agent(config),
    models(config),
    await disk(config),
    await server(config, env),
  ]
}

async function git(): Promise<Finding> {
  try {
    const { stdout } = await run('git', ['--version'], { timeout: 5_000 })
    return { what: 'git', state: 'works', says: stdout.trim() }
  } catch (error) {
    const says = error instanceof Error ? error.message : String(error)
    return { what: 'git', state: 'missing', says, remedy: 'install git, e.g. apt-get install git' }
  }
}

/** One driver is enough; what the others lack is said, too. */
async function sandboxes(config: Config): Promise<Finding[]> {
  const checks = await Promise.all(driverNames.map(async (name) => ({ name, check: await checkDriver(name, config) })))
  const needed = (name: string) =>
    config.sandboxDriver ? name === config.sandboxDriver : !checks.some(({ check }) => check.works)
  return checks.map(({ name, check }): Finding => {
    if (check.works) return { what: 'sandboxes', state: 'works', says: name }
    const state = needed(name) ? 'missing' : 'warning'
    return { what: 'sandboxes', state, says: `${name}: ${check.reason}`, remedy: check.remedy }
  })
}

const inside = 'sessions with isolation "shared" can read files, variables and tokens of their user\'s others'

function sandboxUsers(): Finding {
  if (hostUserIdsUsable())
    return { what: 'isolation', state: 'works', says: `every sandbox has a host user of its own; ${inside}` }
  return {
    what: 'isolation',
    state: 'warning',
    says: `sandboxes share the user of the server and are apart by namespaces alone; ${inside}`,
    remedy: 'start Corral as root to give each sandbox a host user of its own',
  }
}

/** Under Docker they are Docker's own. */
async function limits({ sandboxLimits, sandboxDriver }: Config): Promise<Finding> {
  const what = 'limits'
  const { memoryBytes, processes, diskBytes, cpus } = sandboxLimits
  const GiB = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`
  const each = `each sandbox has ${GiB(memoryBytes)} of memory, ${processes} processes, ${GiB(diskBytes)} of disk${
    cpus === null ? '' : ` and ${cpus} processors`
  }`
  if (sandboxDriver === 'docker') return { what, state: 'works', says: `${each}, by Docker` }
  const trees = sandboxLimits.cgroups ? await findTrees() : null
  if (trees) {
    const missing = controllers.filter((name) => trees.parents[name] === undefined)
    const without = missing.length === 0 ? '' : `, without ${missing.join(' and ')}`
    return { what, state: 'works', says: `${each}, by control groups (version ${trees.version}${without})` }
  }
  return {
    what,
    state: 'warning',
    says: `${each}, kept by rlimits, nice and the supervisor: no control groups can be made here`,
    remedy: 'start Corral as root, or as a systemd service with Delegate=yes and DelegateSubgroup=server',
  }
}

async function agent(config: Config): Promise<Finding> {
  const installed = await createAgentStore({ folder: config.agentsFolder }).list()
  const names = installed.map(({ name, version }) => `${name}@${version}`).join(', ')
  if (installed.some(({ name }) => name === defaultAgent)) return { what: 'agents', state: 'works', says: names }
  return {
    what: 'agents',
    state: 'missing',
    says: names === '' ? 'none is installed' : `only ${names}`,
    remedy: `corral agents add ${defaultAgent}`,
  }
}

function models(config: Config): Finding {
  const names = Object.keys(config.upstreams)
  if (names.length > 0)
    return { what: 'models', state: 'works', says: `${names.join(', ')}; default ${config.defaultModel}` }
  return {
    what: 'models',
    state: 'warning',
    says: 'no key is set: only the scripted model answers, which has no intelligence',
    remedy: 'set ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENROUTER_API_KEY',
  }
}

async function disk(config: Config): Promise<Finding> {
  const { bavail, bsize } = await statfs(config.home)
  const free = bavail * bsize
  const says = `${(free / 1024 ** 3).toFixed(1)} GiB free at ${config.home}`
  if (free >= enoughBytes) return { what: 'disk', state: 'works', says }
  return {
    what: 'disk',
    state: 'warning',
    says,
    remedy: 'free at least 2 GiB, or move the data folder with CORRAL_HOME',
  }
}

async function server(config: Config, env: NodeJS.ProcessEnv): Promise<Finding> {
  const found = await probeOwner(await runFolder(config.home, { runtimeDir: env.XDG_RUNTIME_DIR }))
  if (found.state === 'known') {
    return { what: 'server', state: 'works', says: `process ${found.owner.pid} at ${found.owner.url ?? 'its start'}` }
  }
  if (found.state === 'silent') {
    return {
      what: 'server',
      state: 'warning',
      says: 'it runs but does not answer',
      remedy: 'look at its log, or stop it',
    }
  }
  return { what: 'server', state: 'warning', says: 'not running', remedy: 'corral up' }
}
