/**
 * Takes an agent out of the store. Not while one runs, which would lose its files; whether a sandbox of this host runs one is
 * asked of the kernel, since data folders share the store and know nothing of each other.
 */
import { readdir, readlink } from 'node:fs/promises'
import { type AgentReference, parseAgentReference } from './agents/reference.ts'
import { createAgentStore } from './agents/store.ts'
import { hasCode } from './host/systemError.ts'
import { agentFolder } from './sandboxes/layout.ts'

/** `name` alone when one version of it is installed. Throws with a sentence when it is not installed, or runs. */
export async function removeAgent(agentsFolder: string, text: string): Promise<AgentReference> {
  const store = createAgentStore({ folder: agentsFolder })
  const found = (await store.list()).filter(({ name, version }) => text === name || text === `${name}@${version}`)
  const [agent, ...more] = found
  if (!agent) {
    parseAgentReference(text, {})
    throw new Error(`${text} is not installed. "corral agents" lists what is.`)
  }
  const { name, version } = agent
  if (more.length > 0)
    throw new Error(`Several versions of ${name} are installed. Name one: ${found.map(named).join(', ')}.`)
  const running = await processesOf(agent)
  if (running.length > 0) {
    const ids = running.join(', ')
    throw new Error(
      `${named(agent)} runs (process ${ids}). Wait until its sessions are idle, or stop them, then try again.`,
    )
  }
  await store.remove(agent)
  return { name, version }
}

const named = ({ name, version }: AgentReference): string => `${name}@${version}`

/** Whose program lies in the agent's folder, as its sandbox has it. What we may not look at is not ours to run. */
async function processesOf(agent: AgentReference): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const programs = await Promise.all(pids.map(async (pid) => ({ pid, program: await programOf(pid) })))
  return programs.filter(({ program }) => program.startsWith(`${agentFolder(agent)}/`)).map(({ pid }) => pid)
}

async function programOf(pid: string): Promise<string> {
  try {
    return await readlink(`/proc/${pid}/exe`)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return ''
    throw error
  }
}
