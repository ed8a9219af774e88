/** Which installed agent a session gets: the kind that was asked for, in the version that is installed now. */
import { defaultAgent } from '../agents/catalog.ts'
import type { AgentStore } from '../agents/store.ts'
import type { AgentInSandbox } from './commands.ts'

export function createAgentChoice(store: AgentStore) {
  return {
    /** A session stays with the version that it was made with. */
    async choose(kind: string | undefined): Promise<{ kind: string; version: string } | { refused: string }> {
      const name = kind ?? defaultAgent
      const installed = await store.list()
      const agent = installed.filter((candidate) => candidate.name === name).at(-1)
      if (agent) return { kind: agent.name, version: agent.version }
      const names = [...new Set(installed.map((candidate) => candidate.name))].join(', ') || 'none'
      return {
        refused: `"${name}" is not installed here (installed: ${names}); add it with "corral agents add ${name}"`,
      }
    },

    async installed(kind: string, version: string): Promise<AgentInSandbox> {
      const agent = await store.find(`${kind}@${version}`)
      if (!agent)
        throw new Error(
          `The agent ${kind}@${version} is not installed any more; add it with "corral agents add ${kind}@${version}".`,
        )
      return { kind: agent.kind, program: agent.bin }
    },
  }
}
